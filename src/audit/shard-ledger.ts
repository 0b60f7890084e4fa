/**
 * One shard's books, kept from its journal alone: what was sold, held and given back. Every entry is checked against what
 * the entries before it say, and against available + held + confirmed = total once it is applied. Pure.
 */
import { unreachable } from '../assert.js';
import { contract } from './contract.js';
import { type AcceptedEntry, durabilityNames, type Entry, SaleState } from './entry.js';
import type { EntryReader } from './entry-reader.js';
import { OrderStatus, Orders, statusNames } from './orders.js';
import { Purchases } from './purchases.js';
import { type Sale, SaleLedger, type Sku } from './sale-ledger.js';
import type { StoreBooks } from './store-books.js';
import { wrong } from './wrong.js';

const nameOf = (sku: Sku): string => `${sku.sale.id}/${sku.id}`;

export class ShardLedger {
  readonly orders = new Orders();
  readonly #shard: number;
  readonly #sales: SaleLedger;
  readonly #books: StoreBooks;
  readonly #purchases = new Purchases();

  constructor(shard: number, shards: number, books: StoreBooks) {
    this.#shard = shard;
    this.#books = books;
    this.#sales = new SaleLedger(shard, shards, books);
  }

  /** By stock row. */
  get skus(): ReadonlyMap<number, Sku> {
    return this.#sales.skus;
  }

  /** Applies an entry of a commit of time `timeMs`; its texts are still with the reader that returned it. */
  apply(entry: Entry, reader: EntryReader, timeMs: number): void {
    switch (entry.type) {
      case 'accepted':
        checkPromise(this.#accept(entry, reader, timeMs));
        break;
      case 'confirmed':
        checkPromise(this.#settle(entry.orderNumber, OrderStatus.confirmed, timeMs));
        break;
      case 'cancelled':
        checkPromise(this.#settle(entry.orderNumber, OrderStatus.cancelled, timeMs));
        break;
      case 'expired':
        checkPromise(this.#settle(entry.orderNumber, OrderStatus.expired, timeMs));
        break;
      case 'reacquired':
        checkPromise(this.#reacquire(entry.orderNumber));
        break;
      case 'restocked':
        checkPromise(this.#sales.restock(entry, reader.textOf(entry.key), timeMs));
        break;
      case 'defined':
        this.#sales.define(entry, reader.textOf(entry.sale), reader.textOf(entry.sku));
        break;
      case 'removed':
        this.#sales.remove(entry.row);
        break;
      case 'controlled':
        this.#sales.control(entry);
        break;
      default:
        unreachable(entry);
    }
  }

  #accept(entry: AcceptedEntry, reader: EntryReader, timeMs: number): Sku {
    const { row, quantity, orderNumber, sequence, durability, bornConfirmed, key } = entry;
    const { orders } = this;
    const sku = this.#sales.sku(row);
    const { sale } = sku;
    if (orderNumber !== orders.count)
      wrong(`the order is number ${orderNumber}, and ${orders.count} is next`);
    if (sequence !== sku.sequence + 1) {
      wrong(`the order has sequence ${sequence} of ${nameOf(sku)}, where ${sku.sequence + 1} is next`);
    }
    if (quantity < 1 || quantity > contract.quantityMax) {
      wrong(`the order is for ${quantity} units; 1 to ${contract.quantityMax} are allowed`);
    }
    if (durability >= durabilityNames.length) wrong(`no order is journalled under durability ${durability}`);
    checkOpen(sku, sale, timeMs);
    if (bornConfirmed !== (sale.holdSeconds === 0)) {
      wrong(
        `the order is born ${bornConfirmed ? 'confirmed' : 'held'} in a sale that holds ${sale.holdSeconds} s`,
      );
    }
    const buyer = this.#books.buyers.numberOf(sale.number, reader.words, entry.buyer.at, entry.buyer.bytes);
    this.#take(sku, buyer, quantity);
    const keyName =
      key.bytes === 0 ? -1 : this.#books.claimKey(buyer, reader.words, key, this.#shard, orderNumber);
    if (sale.orders === 0) this.#books.sold(sale.number, sku.revision);
    sku.sequence = sequence;
    sale.orders += 1;
    if (bornConfirmed) sku.confirmed += quantity;
    else sku.held += quantity;
    const status = bornConfirmed ? OrderStatus.confirmed : OrderStatus.held;
    orders.append({ row, quantity, sequence, buyer, key: keyName, createdAtMs: timeMs, status, durability });
    return sku;
  }

  /** Takes units from what is available, within the buyer's limit. */
  #take(sku: Sku, buyer: number, quantity: number): void {
    if (sku.limitPerBuyer > 0) {
      const units = this.#purchases.units(buyer, sku.row) + quantity;
      if (units > sku.limitPerBuyer) {
        wrong(
          `buyer "${this.#books.buyers.textOf(buyer)}" would have ${units} units of ${nameOf(sku)}, ` +
            `over the limit of ${sku.limitPerBuyer}`,
        );
      }
      this.#purchases.add(buyer, sku.row, quantity);
    }
    if (quantity > sku.available) {
      wrong(`oversold: ${quantity} units of ${nameOf(sku)} are taken where ${sku.available} are available`);
    }
    sku.available -= quantity;
  }

  #settle(number: number, to: OrderStatus, timeMs: number): Sku {
    const { orders } = this;
    this.#checkKnown(number);
    const status = orders.statuses[number]!;
    if (status !== OrderStatus.held)
      wrong(`order ${number} is ${statusName(status)}, and only a held one is settled`);
    const sku = this.#sales.sku(orders.rows[number]!);
    const lateMs = timeMs - (orders.createdAtMs[number]! + sku.sale.holdSeconds * 1_000);
    if (to === OrderStatus.expired && lateMs < 0)
      wrong(`order ${number} expires ${-lateMs} ms before its deadline`);
    if (to !== OrderStatus.expired && lateMs >= 0) {
      wrong(`order ${number} is ${statusName(to)} ${lateMs} ms after its deadline`);
    }
    const quantity = orders.quantities[number]!;
    orders.statuses[number] = to;
    sku.held -= quantity;
    if (to === OrderStatus.confirmed) {
      sku.confirmed += quantity;
    } else {
      sku.available += quantity;
      if (sku.limitPerBuyer > 0) this.#purchases.add(orders.buyers[number]!, sku.row, -quantity);
    }
    return sku;
  }

  #reacquire(number: number): Sku {
    const { orders } = this;
    this.#checkKnown(number);
    const status = orders.statuses[number]!;
    if (status !== OrderStatus.expired) {
      wrong(`order ${number} is ${statusName(status)}, and only an expired one is reacquired`);
    }
    const sku = this.#sales.sku(orders.rows[number]!);
    const quantity = orders.quantities[number]!;
    this.#take(sku, orders.buyers[number]!, quantity);
    sku.confirmed += quantity;
    orders.statuses[number] = OrderStatus.confirmed;
    orders.reacquired[number] = 1;
    return sku;
  }

  #checkKnown(number: number): void {
    if (number < 0 || number >= this.orders.count) wrong(`there is no order ${number}`);
  }
}

const statusName = (status: number): string => statusNames[status]!;

/** An order is accepted only while its sale is open, and in the revision that the sale is in. */
function checkOpen(sku: Sku, sale: Sale, timeMs: number): void {
  if (sku.revision !== sale.revision) {
    wrong(`${nameOf(sku)} is of revision ${sku.revision} while its sale is at revision ${sale.revision}`);
  }
  if (timeMs < sale.startsAtMs) wrong(`sale ${sale.id} opens ${sale.startsAtMs - timeMs} ms later`);
  if (timeMs >= sale.endsAtMs) wrong(`sale ${sale.id} had ended ${timeMs - sale.endsAtMs} ms before`);
  if (sale.state === SaleState.paused) wrong(`sale ${sale.id} is paused`);
  if (sale.state === SaleState.ended) wrong(`sale ${sale.id} had been ended`);
}

/** Promise 1. */
function checkPromise(sku: Sku): void {
  const { total, available, held, confirmed } = sku;
  if (available >= 0 && held >= 0 && confirmed >= 0 && available + held + confirmed === total) return;
  wrong(
    `${nameOf(sku)} has ${available} available + ${held} held + ${confirmed} confirmed of ${total} units`,
  );
}
