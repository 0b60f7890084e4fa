/** What is one thing in the whole store, however many shards it has: buyers, idempotency keys, and what a sale is. Pure. */
import { grown } from './columns.js';
import type { DefinedEntry, TextAt } from './entry.js';
import { NameTable } from './names.js';
import { wrong } from './wrong.js';

/** What every SKU of a sale says of it in the same revision. */
interface Revision {
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly holdSeconds: number;
  readonly spread: boolean;
  /** Stock rows by SKU id. */
  readonly rows: Map<string, number>;
}

/** Where the key of a restock was used. */
interface RestockPlace {
  readonly shard: number;
  readonly revision: number;
}

interface KnownSale {
  readonly id: string;
  readonly revisions: Map<number, Revision>;
  /** The newest that any shard was told of. */
  newestRevision: number;
  /** The one that has orders, in any shard. */
  soldRevision?: number;
}

export class StoreBooks {
  /** Buyers, each in the scope of a sale. */
  readonly buyers = new NameTable();
  /** Idempotency keys of orders, each in the scope of a buyer. */
  readonly keys = new NameTable();
  /** By key: the order that used it. */
  #keyShards = new Uint8Array(1024);
  #keyOrders = new Int32Array(1024);
  readonly #restockKeys = new Map<string, RestockPlace[]>();
  readonly #sales = new Map<number, KnownSale>();
  readonly #numbers = new Map<string, number>();

  /** Takes the key of a new order, which nobody may have used before; returns its number. */
  claimKey(buyer: number, words: Int32Array, key: TextAt, shard: number, orderNumber: number): number {
    const before = this.keys.count;
    const name = this.keys.numberOf(buyer, words, key.at, key.bytes);
    if (name < before) {
      wrong(
        `order ${orderNumber} has the idempotency key "${this.keys.textOf(name)}" of buyer ` +
          `"${this.buyers.textOf(buyer)}", which order ${this.#keyOrders[name]} of shard ` +
          `${this.#keyShards[name]} has already`,
      );
    }
    this.#keyShards = grown(this.#keyShards, name + 1);
    this.#keyOrders = grown(this.#keyOrders, name + 1);
    this.#keyShards[name] = shard;
    this.#keyOrders[name] = orderNumber;
    return name;
  }

  /**
   * Takes the key of a restock: a scope of its own in each sale. Two shards share it where they share a revision of the
   * sale; a shard never forgets one.
   */
  claimRestockKey(saleNumber: number, key: string, shard: number, revision: number): void {
    const place = `${saleNumber} ${key}`;
    const known = this.#restockKeys.get(place) ?? [];
    const other = known.find((one) => one.shard === shard || one.revision === revision);
    if (other !== undefined) {
      wrong(`the restock has the idempotency key "${key}", which one of shard ${other.shard} has already`);
    }
    this.#restockKeys.set(place, [...known, { shard, revision }]);
  }

  /** Notes that a shard has its first order of a sale in a revision. */
  sold(saleNumber: number, revision: number): void {
    const sale = this.#sales.get(saleNumber)!;
    sale.soldRevision ??= revision;
    if (sale.soldRevision !== revision) {
      wrong(
        `sale ${sale.id} has orders in revision ${revision}, and has others in revision ${sale.soldRevision}`,
      );
    }
    checkSold(sale);
  }

  /** Checks that a sale has one number and a number one sale, whichever shard names them. */
  identify(saleNumber: number, saleId: string): void {
    const number = this.#numbers.get(saleId) ?? saleNumber;
    if (number !== saleNumber) wrong(`sale ${saleId} has number ${saleNumber}, and had number ${number}`);
    this.#numbers.set(saleId, saleNumber);
    const sale = this.#sales.get(saleNumber) ?? { id: saleId, revisions: new Map(), newestRevision: 0 };
    if (sale.id !== saleId) wrong(`sale number ${saleNumber} is ${saleId}, and was ${sale.id}`);
    this.#sales.set(saleNumber, sale);
  }

  /** Checks that a definition of a sale that was identified agrees with all others of it, whichever shard they are for. */
  define(entry: DefinedEntry, saleId: string, skuId: string): void {
    const { revision } = entry;
    const sale = this.#sales.get(entry.saleNumber)!;
    sale.newestRevision = Math.max(sale.newestRevision, revision);
    checkSold(sale);
    const known = sale.revisions.get(revision) ?? revisionOf(entry);
    sale.revisions.set(revision, known);
    const same =
      known.startsAtMs === entry.startsAtMs &&
      known.endsAtMs === entry.endsAtMs &&
      known.holdSeconds === entry.holdSeconds &&
      known.spread === entry.spread;
    if (!same) wrong(`revision ${revision} of sale ${saleId} is not the same for all its SKUs`);
    const row = known.rows.get(skuId);
    if (row !== undefined) wrong(`SKU ${skuId} of sale ${saleId} is in stock row ${row} already`);
    known.rows.set(skuId, entry.row);
  }
}

/** A sale has orders in one of its revisions, which is its last, whichever shards they are in. */
function checkSold({ id, newestRevision, soldRevision }: KnownSale): void {
  if (soldRevision === undefined || soldRevision === newestRevision) return;
  wrong(
    `sale ${id} has orders in revision ${soldRevision}, and a shard was told of revision ${newestRevision}`,
  );
}

function revisionOf({ startsAtMs, endsAtMs, holdSeconds, spread }: DefinedEntry): Revision {
  return { startsAtMs, endsAtMs, holdSeconds, spread, rows: new Map() };
}
