/**
 * What one shard knows: its SKUs and sales, orders, buyers, keys and holds. Every method applies one accepted
 * command without deciding anything, so the running shard and recovery go through the same code. Owned by the
 * shard's thread.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import type { KeyQuery, KeyTable } from '../memory/key-table.js';
import { Counter, type StockTable } from '../memory/stock-table.js';
import { hashEnd, hashStart, hashText } from '../memory/text.js';
import { Status } from '../sale/order-state.js';
import { SaleState } from '../sale/phase.js';
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
  readonly quantity: number;
}

/** Key references with this bit are indexes of restocks; the others are order numbers. */
export const restockReference = 1 << 30;

export class ShardState {
  readonly skus: (ShardSku | undefined)[] = new Array(limits.skusMax).fill(undefined);
  readonly sales = new Map<number, ShardSale>();
  readonly orders: OrderTable;
  readonly buyers: BuyerTable;
  readonly holds: HoldQueues;
  readonly keys: KeyTable;
  readonly stock: StockTable;
  readonly restocks: Restock[] = [];
  readonly #hashSeed: number;

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
    return hashEnd(hashText(hashStart(this.#hashSeed, saleNumber), words, at, bytes));
  }

  /** Fills in `query.hash` from its other fields. */
  hashKey(query: KeyQuery): void {
    const start = hashStart(this.#hashSeed, query.saleNumber);
    const buyer = hashText(start, query.words, query.buyerAt, query.buyerBytes);
    query.hash = hashEnd(hashText(buyer, query.words, query.keyAt, query.keyBytes));
  }

  /** Applies an accepted order and returns its number. The key, if there was one, is added by the caller. */
  accept(
    sku: ShardSku,
    buyer: number,
    quantity: number,
    createdAtMs: number,
    status: typeof Status.held | typeof Status.confirmed,
    durability: number,
  ): number {
    const { sale, row } = sku;
    sku.sequence += 1;
    sale.orders += 1;
    newOrder.createdAtMs = createdAtMs;
    newOrder.buyer = buyer;
    newOrder.row = row;
    newOrder.quantity = quantity;
    newOrder.sequence = sku.sequence;
    newOrder.status = status;
    newOrder.durability = durability;
    const number = this.orders.append(newOrder);
    const previous = this.buyers.appendOrder(buyer, number);
    if (previous !== -1) this.orders.setNextOfBuyer(previous, number);
    this.buyers.addPurchase(buyer, row, quantity);
    if (status === Status.held) {
      this.stock.move(row, Counter.available, Counter.held, quantity);
      this.holds.add(number, createdAtMs, sale.holdMs);
    } else {
      this.stock.move(row, Counter.available, Counter.confirmed, quantity);
    }
    return number;
  }

  /** Applies a held order's confirmation, cancellation or expiry. */
  settle(number: number, status: Exclude<Status, typeof Status.held>): void {
    assert(this.orders.status(number) === Status.held, 'only a held order is settled');
    const row = this.orders.row(number);
    const quantity = this.orders.quantity(number);
    this.orders.setStatus(number, status);
    if (status === Status.confirmed) {
      this.stock.move(row, Counter.held, Counter.confirmed, quantity);
    } else {
      this.stock.move(row, Counter.held, Counter.available, quantity);
      this.buyers.addPurchase(this.orders.buyer(number), row, -quantity);
    }
  }

  /** Applies a restock (or, where the quantity is negative, a withdrawal). */
  restock(row: number, quantity: number): void {
    this.stock.restock(row, quantity);
  }

  /** Remembers a keyed restock and returns the reference to keep with its key. */
  rememberRestock(row: number, quantity: number): number {
    this.restocks.push({ row, quantity });
    return restockReference | (this.restocks.length - 1);
  }

  /** Applies the definition of a SKU: a new one, or another revision of a sale that has not opened. */
  define(given: SkuDefinition): void {
    const before = this.skus[given.row];
    if (before !== undefined && before.sale.number !== given.saleNumber) this.remove(given.row);
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
    this.skus[given.row] = {
      row: given.row,
      sale,
      revision: given.revision,
      limitPerBuyer: given.limitPerBuyer,
      sequence: 0,
    };
    this.stock.reset(given.row, given.total);
  }

  /** Applies the removal of a SKU that no order was ever placed for. */
  remove(row: number): void {
    const sku = this.skus[row];
    assert(sku !== undefined, 'only a defined SKU is removed');
    this.skus[row] = undefined;
    this.stock.reset(row, 0);
    sku.sale.skus -= 1;
    sku.sale.frozen = false;
    if (sku.sale.skus === 0) this.sales.delete(sku.sale.number);
  }

  /** Applies what the operator said of a sale. */
  control(saleNumber: number, state: SaleState): void {
    const sale = this.sales.get(saleNumber);
    assert(sale !== undefined, 'only a known sale is controlled');
    sale.state = state;
  }

  /**
   * Checks promise 1 against the orders themselves: for every SKU, what its orders hold and have confirmed is what
   * its counters say, and the rest is available.
   */
  checkCounters(): void {
    const held = new Float64Array(limits.skusMax);
    const confirmed = new Float64Array(limits.skusMax);
    for (let number = 0; number < this.orders.count; number++) {
      const status = this.orders.status(number);
      const units = status === Status.held ? held : status === Status.confirmed ? confirmed : undefined;
      if (units !== undefined) units[this.orders.row(number)]! += this.orders.quantity(number);
    }
    for (const sku of this.skus) {
      if (sku === undefined) continue;
      const stock = this.stock.read(sku.row);
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
