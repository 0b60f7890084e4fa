/** Every order of one shard, by number, in typed arrays. The shard's thread owns it. */
import { assert } from '../assert.js';
import type { Status } from '../sale/order-state.js';
import { Pages } from './pages.js';

/** Words of an order. Links are stored plus one, so that zeroed memory reads as "none". */
const order = {
  words: 8,
  /** f64, so two words. */
  createdAtMs: 0,
  buyer: 2,
  /** Stock row, and the quantity in the upper half. */
  sku: 3,
  sequence: 4,
  /** Status, the durability it was acknowledged under in the second byte, and whether it was reacquired in the third. */
  status: 5,
  nextOfBuyer: 6,
  nextHold: 7,
} as const;

export interface NewOrder {
  createdAtMs: number;
  buyer: number;
  row: number;
  quantity: number;
  sequence: number;
  status: Status;
  /** Index of the durability mode. */
  durability: number;
}

export class OrderTable {
  /** Room for so many. */
  readonly max: number;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #doubles: Float64Array;
  readonly #pages: Pages;
  #count = 0;

  /** Room for `max` orders. Memory is reserved at once and taken from the system as it is touched. */
  constructor(max: number) {
    this.max = max;
    const buffer = new ArrayBuffer(max * order.words * 4);
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#pages = new Pages(this.#words);
  }

  get count(): number {
    return this.#count;
  }

  hasRoom(): boolean {
    return this.#count < this.max;
  }

  /**
   * Gets memory ready for so many more orders, as far as there is room. Returns pages that it wrote to: fewer than `pagesMax`
   * once all is ready.
   */
  prepare(more: number, pagesMax: number): number {
    const count = Math.min(this.#count + more, this.max);
    return this.#pages.touch(this.#count * order.words, count * order.words, pagesMax);
  }

  has(number: number): boolean {
    return number >= 0 && number < this.#count;
  }

  /** Appends an order: number `count`, from 0 without gaps. */
  append(given: NewOrder): void {
    assert(this.hasRoom(), 'room for an order was checked');
    const number = this.#count++;
    const base = number * order.words;
    this.#doubles[base / 2] = given.createdAtMs;
    this.#words[base + order.buyer] = given.buyer;
    this.#words[base + order.sku] = given.row | (given.quantity << 16);
    this.#words[base + order.sequence] = given.sequence;
    this.#words[base + order.status] = given.status | (given.durability << 8);
  }

  createdAtMs(number: number): number {
    return this.#doubles[(number * order.words) / 2]!;
  }

  buyer(number: number): number {
    return this.#words[number * order.words + order.buyer]!;
  }

  row(number: number): number {
    return this.#words[number * order.words + order.sku]! & 0xffff;
  }

  quantity(number: number): number {
    return this.#words[number * order.words + order.sku]! >>> 16;
  }

  sequence(number: number): number {
    return this.#words[number * order.words + order.sequence]!;
  }

  status(number: number): Status {
    return (this.#words[number * order.words + order.status]! & 0xff) as Status;
  }

  setStatus(number: number, status: Status): void {
    const at = number * order.words + order.status;
    this.#words[at] = (this.#words[at]! & ~0xff) | status;
  }

  /** Index of the durability mode the order was acknowledged under. */
  durability(number: number): number {
    return (this.#words[number * order.words + order.status]! >> 8) & 0xff;
  }

  /** Whether the order was confirmed after its hold had expired. */
  reacquired(number: number): boolean {
    return this.#words[number * order.words + order.status]! >> 16 === 1;
  }

  setReacquired(number: number): void {
    const at = number * order.words + order.status;
    this.#words[at] = this.#words[at]! | (1 << 16);
  }

  /** The same buyer's next order in this sale, or -1. */
  nextOfBuyer(number: number): number {
    return this.#words[number * order.words + order.nextOfBuyer]! - 1;
  }

  setNextOfBuyer(number: number, next: number): void {
    this.#words[number * order.words + order.nextOfBuyer] = next + 1;
  }

  /** The order whose hold runs out next after this one's, among holds of the same length, or -1. */
  nextHold(number: number): number {
    return this.#words[number * order.words + order.nextHold]! - 1;
  }

  setNextHold(number: number, next: number): void {
    this.#words[number * order.words + order.nextHold] = next + 1;
  }
}
