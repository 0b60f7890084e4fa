/**
 * What one shard knows: its SKUs and sales, orders, buyers, keys and holds. Every method applies one accepted
 * command without deciding anything, so the running shard and recovery go through the same code. Owned by the
 * shard's thread.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import type { KeyQuery, KeyTable } from '../memory/key-table.js';
import type { StockTable } from '../memory/stock-table.js';
import { Status } from '../sale/order-state.js';
import { Phase, phaseAt, SaleState } from '../sale/phase.js';
import { buyerHash, hashEnd, hashStart, hashText } from '../text.js';
import { BuyerTable } from './buyers.js';
import { HoldQueues } from './holds.js';
import { OrderTable } from './orders.js';

export interface ShardSale {
  readonly number: number;
  revision: number;
  startsAtMs: number;
  endsAtMs: number;
  holdMs: number;
  state: SaleState;
  /** Whether other shards own SKUs of this sale too. */
  spread: boolean;
  /** Set while a replacement is under way: no order is taken. Not journalled; a restart clears it. */
  frozen: boolean;
  /** Orders accepted in this sale by this shard. */
  orders: number;
  skus: number;
}

export interface ShardSku {
  readonly row: number;
  readonly sale: ShardSale;
  revision: number;
  /** Units per buyer; 0 for no limit. */
  limitPerBuyer: number;
  /** Sequence number of the last accepted order. */
  sequence: number;
  /** The counters that decisions are made on. */
  readonly stock: Counters;
  /** The counters as everyone else sees them. */
  readonly published: Counters;
  /** Whether the two may differ. */
  dirty: boolean;
}

/** Units: `available + held + confirmed === total`. */
export interface Counters {
  total: number;
  available: number;
  held: number;
  confirmed: number;
}

export interface SkuDefinition {
  row: number;
  revision: number;
  saleNumber: number;
  total: number;
  limitPerBuyer: number;
  holdSeconds: number;
  startsAtMs: number;
  endsAtMs: number;
  state: SaleState;
  spread: boolean;
}

/** A restock that was made under an idempotency key. */
export interface Restock {
  readonly row: number;
  /** Of the SKU: a replacement of the sale starts with the stock it declares, and with restocks of its own. */
  readonly revision: number;
  readonly quantity: number;
}

/** Key references with this bit are indexes of restocks; the others are order numbers. */
export const restockReference = 1 << 30;

assert(limits.ordersPerShardMax < restockReference, 'an order number is never taken for a restock');

export class ShardState {
  readonly skus: (ShardSku | undefined)[] = new Array(limits.stockRowsMax).fill(undefined);
  readonly sales = new Map<number, ShardSale>();
  readonly orders: OrderTable;
  readonly buyers: BuyerTable;
  readonly holds: HoldQueues;
  readonly keys: KeyTable;
  readonly stock: StockTable;
  readonly restocks: Restock[] = [];
  readonly #hashSeed: number;
  /** From here on no row was ever defined. */
  #rowsUsed = 0;
  readonly #dirty: ShardSku[] = [];
  /** Whether others see the counters. A shard that recovers keeps them to itself until all is as it was. */
  #open = false;

  constructor(options: { ordersMax: number; keys: KeyTable; stock: StockTable; hashSeed: number }) {
    this.orders = new OrderTable(options.ordersMax);
    this.buyers = new BuyerTable(options.ordersMax);
    this.holds = new HoldQueues(this.orders);
    this.keys = options.keys;
    this.stock = options.stock;
    this.#hashSeed = options.hashSeed;
    this.keys.clear();
  }

  buyerHash(saleNumber: number, words: Int32Array, at: number, bytes: number): number {
    return buyerHash(this.#hashSeed, saleNumber, words, at, bytes);
  }

  /** Fills in `query.hash` from its other fields. */
  hashKey(query: KeyQuery): void {
    const start = hashStart(this.#hashSeed, query.saleNumber);
    const buyer = hashText(start, query.words, query.buyerAt, query.buyerBytes);
    query.hash = hashEnd(hashText(buyer, query.words, query.keyAt, query.keyBytes));
  }

  /**
   * Applies an accepted order and returns its number. The key, if there was one, is added by the caller.
   *
   * @param known the buyer's entry, or -1 when this is his first order in the sale
   * @param hash of the buyer, whose name stands at word `nameAt` of `words`
   */
  accept(
    sku: ShardSku,
    known: number,
    hash: number,
    words: Int32Array,
    nameAt: number,
    nameBytes: number,
    quantity: number,
    createdAtMs: number,
    status: typeof Status.held | typeof Status.confirmed,
    durability: number,
  ): number {
    const { sale, row } = sku;
    sku.sequence += 1;
    sale.orders += 1;
    const number = this.orders.count;
    const buyer =
      known === -1
        ? this.buyers.insert(hash, sale.number, words, nameAt, nameBytes, number, row, quantity)
        : known;
    newOrder.createdAtMs = createdAtMs;
    newOrder.buyer = buyer;
    newOrder.row = row;
    newOrder.quantity = quantity;
    newOrder.sequence = sku.sequence;
    newOrder.status = status;
    newOrder.durability = durability;
    this.orders.append(newOrder);
    if (known !== -1) {
      this.orders.setNextOfBuyer(this.buyers.appendOrder(known, number), number);
      this.buyers.addPurchase(known, row, quantity);
    }
    const { stock } = sku;
    assert(stock.available >= quantity, 'only available units are taken');
    stock.available -= quantity;
    if (status === Status.held) {
      stock.held += quantity;
      this.holds.add(number, createdAtMs, sale.holdMs);
    } else {
      stock.confirmed += quantity;
    }
    this.#touch(sku);
    return number;
  }

  /**
   * Gets memory ready for the orders that may still come: one per unit that is left of sales that are not over, up to
   * `limits.preparedOrdersMax`. A share of it at a time; returns whether all is ready.
   */
  prepare(nowMs: number): boolean {
    let orders = 0;
    for (let row = 0; row < this.#rowsUsed; row++) {
      const sku = this.skus[row];
      if (sku === undefined || phaseAt(sku.sale, sku.sale.state, nowMs) === Phase.ended) continue;
      orders = Math.min(orders + sku.stock.available, limits.preparedOrdersMax);
    }
    const pagesMax = limits.preparedPagesMax;
    const pages = this.orders.prepare(orders, pagesMax);
    return pages + this.buyers.prepare(orders, pagesMax - pages) < pagesMax;
  }

  #touch(sku: ShardSku): void {
    if (sku.dirty) return;
    sku.dirty = true;
    this.#dirty.push(sku);
  }

  /** Shows everyone the counters, all of them outright: a predecessor may have left anything. Once, before the first turn. */
  open(): void {
    this.#open = true;
    for (const sku of this.skus) {
      if (sku === undefined) continue;
      this.stock.reset(sku.row, sku.stock);
      Object.assign(sku.published, sku.stock);
      sku.dirty = false;
    }
    this.#dirty.length = 0;
  }

  /** Shows everyone the counters that changed since the last time. Before a reply that tells of the change. */
  publishStock(): void {
    for (const sku of this.#dirty) {
      const { stock, published } = sku;
      assert(stock.available + stock.held + stock.confirmed === stock.total, 'the counters of a SKU add up');
      this.stock.publish(sku.row, published, stock);
      // Written out: this is done for nearly every order of a sale with many SKUs.
      published.total = stock.total;
      published.available = stock.available;
      published.held = stock.held;
      published.confirmed = stock.confirmed;
      sku.dirty = false;
    }
    this.#dirty.length = 0;
  }

  /** Applies a held order's confirmation, cancellation or expiry. */
  settle(number: number, status: Exclude<Status, typeof Status.held>): void {
    assert(this.orders.status(number) === Status.held, 'only a held order is settled');
    const row = this.orders.row(number);
    const quantity = this.orders.quantity(number);
    this.orders.setStatus(number, status);
    const sku = this.skus[row]!;
    const { stock } = sku;
    assert(stock.held >= quantity, 'only held units are settled');
    stock.held -= quantity;
    this.#touch(sku);
    if (status === Status.confirmed) {
      stock.confirmed += quantity;
    } else {
      stock.available += quantity;
      this.buyers.addPurchase(this.orders.buyer(number), row, -quantity);
    }
  }

  /** Applies the late confirmation of an order whose hold has expired: it takes its units again. */
  reacquire(number: number): void {
    assert(this.orders.status(number) === Status.expired, 'only an expired order is reacquired');
    const row = this.orders.row(number);
    const quantity = this.orders.quantity(number);
    const sku = this.skus[row]!;
    const { stock } = sku;
    assert(stock.available >= quantity, 'only available units are reacquired');
    this.orders.setStatus(number, Status.confirmed);
    this.orders.setReacquired(number);
    stock.available -= quantity;
    stock.confirmed += quantity;
    this.#touch(sku);
    this.buyers.addPurchase(this.orders.buyer(number), row, quantity);
  }

  /** Applies a restock (or, where the quantity is negative, a withdrawal). */
  restock(sku: ShardSku, quantity: number): void {
    assert(sku.stock.available + quantity >= 0, 'only available units are withdrawn');
    sku.stock.available += quantity;
    sku.stock.total += quantity;
    this.#touch(sku);
  }

  /** Remembers a keyed restock and returns the reference to keep with its key. */
  rememberRestock({ row, revision }: ShardSku, quantity: number): number {
    this.restocks.push({ row, revision, quantity });
    return restockReference | (this.restocks.length - 1);
  }

  /** Applies the definition of a SKU: a new one, or another revision of a sale that has not opened. */
  define(given: SkuDefinition): void {
    const before = this.skus[given.row];
    if (before !== undefined && before.sale.number !== given.saleNumber) this.remove(given.row);
    assert(before === undefined || before.sequence === 0, 'a SKU with orders is never defined anew');
    let sale = this.sales.get(given.saleNumber);
    if (sale === undefined) {
      sale = {
        number: given.saleNumber,
        revision: 0,
        startsAtMs: 0,
        endsAtMs: 0,
        holdMs: 0,
        state: SaleState.running,
        spread: false,
        frozen: false,
        orders: 0,
        skus: 0,
      };
      this.sales.set(given.saleNumber, sale);
    }
    sale.revision = given.revision;
    sale.startsAtMs = given.startsAtMs;
    sale.endsAtMs = given.endsAtMs;
    sale.holdMs = given.holdSeconds * 1000;
    sale.state = given.state;
    sale.spread = given.spread;
    sale.frozen = false;
    if (this.skus[given.row]?.sale !== sale) sale.skus += 1;
    this.#undefine(given.row);
    this.#rowsUsed = Math.max(this.#rowsUsed, given.row + 1);
    const counters = { total: given.total, available: given.total, held: 0, confirmed: 0 };
    this.skus[given.row] = {
      row: given.row,
      sale,
      revision: given.revision,
      limitPerBuyer: given.limitPerBuyer,
      sequence: 0,
      stock: counters,
      published: { ...counters },
      dirty: false,
    };
    if (this.#open) this.stock.reset(given.row, counters);
  }

  /** Applies the removal of a SKU that no order was ever placed for. */
  remove(row: number): void {
    const sku = this.skus[row];
    assert(sku !== undefined, 'only a defined SKU is removed');
    assert(sku.sequence === 0, 'a SKU with orders is never removed');
    this.#undefine(row);
    if (this.#open) this.stock.reset(row, { total: 0, available: 0, held: 0, confirmed: 0 });
    sku.sale.skus -= 1;
    if (sku.sale.skus === 0) this.sales.delete(sku.sale.number);
  }

  /** Takes what is in a row out of the state, without telling anybody. */
  #undefine(row: number): void {
    const sku = this.skus[row];
    if (sku?.dirty) this.#dirty.splice(this.#dirty.indexOf(sku), 1);
    this.skus[row] = undefined;
  }

  /** Applies what the operator said of a sale. */
  control(saleNumber: number, state: SaleState): void {
    const sale = this.sales.get(saleNumber);
    assert(sale !== undefined, 'only a known sale is controlled');
    sale.state = state;
  }

  /** The newest revision of a sale that this shard knows of; 0 for none. */
  get newestRevision(): number {
    let newest = 0;
    for (const { revision } of this.sales.values()) newest = Math.max(newest, revision);
    return newest;
  }

  /**
   * Checks the counters against the orders themselves: for every SKU, what its orders hold and have confirmed is what
   * its counters say, and the rest is available.
   */
  checkCounters(): void {
    const held = new Float64Array(limits.stockRowsMax);
    const confirmed = new Float64Array(limits.stockRowsMax);
    for (let number = 0; number < this.orders.count; number++) {
      const status = this.orders.status(number);
      const units = status === Status.held ? held : status === Status.confirmed ? confirmed : undefined;
      if (units !== undefined) units[this.orders.row(number)]! += this.orders.quantity(number);
    }
    for (const sku of this.skus) {
      if (sku === undefined) continue;
      const { stock } = sku;
      assert(
        stock.held === held[sku.row] && stock.confirmed === confirmed[sku.row],
        `the orders of stock row ${sku.row} add up to its counters`,
      );
      assert(
        stock.available >= 0 && stock.available + stock.held + stock.confirmed === stock.total,
        `the counters of stock row ${sku.row} add up`,
      );
    }
  }

  /** When the hold of an order runs out, or `Infinity`. Milliseconds since the epoch. */
  expiresAtMs(number: number): number {
    const holdMs = this.skus[this.orders.row(number)]!.sale.holdMs;
    return holdMs === 0 ? Number.POSITIVE_INFINITY : this.orders.createdAtMs(number) + holdMs;
  }
}

/** Reused for every order: `append` copies it. */
const newOrder = {
  createdAtMs: 0,
  buyer: 0,
  row: 0,
  quantity: 0,
  sequence: 0,
  status: Status.held as Status,
  durability: 0,
};

/** A query to be filled in and reused. */
export function newKeyQuery(): KeyQuery {
  return {
    saleNumber: 0,
    buyerBytes: 0,
    keyBytes: 0,
    hash: 0,
    words: new Int32Array(0),
    buyerAt: 0,
    keyAt: 0,
  };
}

/** Fills in a query for a restock's key. It lives beside the buyers' keys, under the empty buyer nobody can be. */
export function restockQuery(
  query: KeyQuery,
  saleNumber: number,
  words: Int32Array,
  keyAt: number,
  keyBytes: number,
): void {
  query.saleNumber = saleNumber;
  query.buyerBytes = 0;
  query.keyBytes = keyBytes;
  query.words = words;
  query.buyerAt = keyAt;
  query.keyAt = keyAt;
}
