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

  /** Checks that a definition agrees with all others of its sale, whichever shard they are for. */
  define(entry: DefinedEntry, saleId: string, skuId: string): void {
    const { saleNumber, revision } = entry;
    const number = this.#numbers.get(saleId) ?? saleNumber;
    if (number !== saleNumber) wrong(`sale ${saleId} has number ${saleNumber}, and had number ${number}`);
    this.#numbers.set(saleId, saleNumber);
    const sale = this.#sales.get(saleNumber) ?? { id: saleId, revisions: new Map<number, Revision>() };
    if (sale.id !== saleId) wrong(`sale number ${saleNumber} is ${saleId}, and was ${sale.id}`);
    this.#sales.set(saleNumber, sale);
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

function revisionOf({ startsAtMs, endsAtMs, holdSeconds, spread }: DefinedEntry): Revision {
  return { startsAtMs, endsAtMs, holdSeconds, spread, rows: new Map() };
}
