/** The sales and SKUs of one shard as its journal tells them, each entry checked as it is applied. Pure. */
import { contract, timeMsMax } from './contract.js';
import { type ControlledEntry, type DefinedEntry, type RestockedEntry, SaleState } from './entry.js';
import type { StoreBooks } from './store-books.js';
import { wrong } from './wrong.js';

export interface Sale {
  readonly number: number;
  readonly id: string;
  revision: number;
  startsAtMs: number;
  endsAtMs: number;
  holdSeconds: number;
  state: SaleState;
  spread: boolean;
  /** Orders accepted in it by this shard. */
  orders: number;
  /** SKUs that this shard has of it. */
  skus: number;
}

export interface Sku {
  readonly row: number;
  readonly id: string;
  readonly sale: Sale;
  readonly revision: number;
  /** Units that its definition declares. */
  readonly stock: number;
  /** 0 for none. */
  readonly limitPerBuyer: number;
  /** Of the last accepted order; 0 before the first. */
  sequence: number;
  total: number;
  available: number;
  held: number;
  confirmed: number;
}

export class SaleLedger {
  readonly skus = new Map<number, Sku>();
  readonly #shard: number;
  readonly #shards: number;
  readonly #books: StoreBooks;
  readonly #sales = new Map<number, Sale>();
  /** By row: the revision it was defined with last, also if it has been removed since. */
  readonly #revisions = new Map<number, number>();

  constructor(shard: number, shards: number, books: StoreBooks) {
    this.#shard = shard;
    this.#shards = shards;
    this.#books = books;
  }

  /** The SKU in a stock row, which must have one. */
  sku(row: number): Sku {
    return this.skus.get(row) ?? wrong(`stock row ${row} has no SKU`);
  }

  define(entry: DefinedEntry, saleId: string, skuId: string): void {
    this.#checkRow(entry.row);
    checkDefinition(entry);
    const { row, revision, saleNumber } = entry;
    const last = this.#revisions.get(row) ?? 0;
    if (revision <= last) wrong(`stock row ${row} is defined by revision ${revision} after revision ${last}`);
    const before = this.skus.get(row);
    if (before !== undefined && before.sequence > 0) {
      wrong(`stock row ${row} has orders for ${before.sale.id}/${before.id} and is defined anew`);
    }
    this.#books.identify(saleNumber, saleId);
    const sale = this.#sales.get(saleNumber) ?? newSale(saleNumber, saleId);
    checkReplacement(sale, entry);
    this.#books.define(entry, saleId, skuId);
    this.#sales.set(saleNumber, sale);
    if (before !== undefined) before.sale.skus -= 1;
    Object.assign(sale, {
      revision,
      startsAtMs: entry.startsAtMs,
      endsAtMs: entry.endsAtMs,
      holdSeconds: entry.holdSeconds,
      state: entry.state,
      spread: entry.spread,
    });
    sale.skus += 1;
    this.#revisions.set(row, revision);
    const { stock, limitPerBuyer } = entry;
    const counters = { sequence: 0, total: stock, available: stock, held: 0, confirmed: 0 };
    this.skus.set(row, { row, id: skuId, sale, revision, stock, limitPerBuyer, ...counters });
  }

  #checkRow(row: number): void {
    if (row < 0 || row >= contract.stockRowsMax) wrong(`there is no stock row ${row}`);
    const owner = row % this.#shards;
    if (owner !== this.#shard) wrong(`stock row ${row} belongs to shard ${owner}`);
  }

  remove(row: number): void {
    const sku = this.sku(row);
    if (sku.sequence > 0) wrong(`${sku.sale.id}/${sku.id} has orders and is removed`);
    this.skus.delete(row);
    sku.sale.skus -= 1;
  }

  control({ saleNumber, state }: ControlledEntry): void {
    const sale = this.#sales.get(saleNumber);
    if (sale === undefined || sale.skus === 0) wrong(`sale number ${saleNumber} is not known to this shard`);
    if (sale.state === SaleState.ended && state !== SaleState.ended)
      wrong(`sale ${sale.id} had ended for good`);
    sale.state = state;
  }

  /** @param key empty for none */
  restock({ row, quantity }: RestockedEntry, key: string, timeMs: number): Sku {
    const sku = this.sku(row);
    const { sale } = sku;
    const name = `${sale.id}/${sku.id}`;
    if (quantity === 0) wrong(`the restock of ${name} changes nothing`);
    if (sale.state === SaleState.ended || timeMs >= sale.endsAtMs) wrong(`sale ${sale.id} had ended`);
    if (sku.available + quantity < 0) {
      wrong(`${-quantity} units of ${name} are withdrawn where ${sku.available} are available`);
    }
    if (sku.total + quantity > contract.stockMax) {
      wrong(`${name} would have ${sku.total + quantity} units, more than ${contract.stockMax}`);
    }
    if (key !== '') this.#books.claimRestockKey(sale.number, key, this.#shard, sku.revision);
    sku.available += quantity;
    sku.total += quantity;
    return sku;
  }
}

function newSale(number: number, id: string): Sale {
  return {
    number,
    id,
    revision: 0,
    startsAtMs: 0,
    endsAtMs: 0,
    holdSeconds: 0,
    state: SaleState.running,
    spread: false,
    orders: 0,
    skus: 0,
  };
}

function checkDefinition(entry: DefinedEntry): void {
  const within = (what: string, value: number, min: number, max: number): void => {
    if (value < min || value > max) wrong(`the ${what} is ${value}; ${min} to ${max} are allowed`);
  };
  within('revision', entry.revision, 1, 2 ** 31 - 1);
  within('sale number', entry.saleNumber, 1, 2 ** 31 - 1);
  within('stock', entry.stock, 0, contract.stockMax);
  within('limit per buyer', entry.limitPerBuyer, 0, contract.limitPerBuyerMax);
  within('hold', entry.holdSeconds, 0, contract.holdSecondsMax);
  const { startsAtMs, endsAtMs } = entry;
  if (!Number.isInteger(startsAtMs) || Math.abs(startsAtMs) > timeMsMax)
    wrong('the start of the sale is no time');
  if (endsAtMs === Number.POSITIVE_INFINITY) return;
  if (!Number.isInteger(endsAtMs) || endsAtMs > timeMsMax) wrong('the end of the sale is no time');
  if (endsAtMs <= startsAtMs) wrong('the sale ends before it starts');
}

/** A sale that has sold something, or has ended, stays what it is; others may be replaced by later revisions. */
function checkReplacement(sale: Sale, entry: DefinedEntry): void {
  if (entry.revision < sale.revision) {
    wrong(`sale ${sale.id} goes back from revision ${sale.revision} to ${entry.revision}`);
  }
  if (sale.orders > 0 && entry.revision !== sale.revision)
    wrong(`sale ${sale.id} has orders and is replaced`);
  if (sale.state === SaleState.ended && entry.state !== SaleState.ended) {
    wrong(`sale ${sale.id} had ended for good`);
  }
}
