/**
 * The outcomes of a batch of orders, kept in columns: an object per order is made only for the outcomes that are
 * looked at. Belongs to the caller who placed the batch.
 */
import { assert } from '../assert.js';
import type { Refusal } from '../errors.js';
import { newReply, type Reply, readStatusWord, statusWord } from '../memory/records.js';
import type { Order, OrderResult } from '../sale/order.js';
import { Outcome } from '../sale/outcome.js';

export type OrderOutcome = OrderResult | Refusal;

/** What turns a reply, or an outcome without one, into what callers see. */
export interface OutcomeReader {
  order(reply: Reply, buyer: string): Order;
  refusal(outcome: Outcome, sale: string): Refusal;
}

/** What was asked for, as far as an outcome tells of it. */
export interface AskedOrders {
  readonly length: number;
  buyer(index: number): string;
  /** Asked for orders only that were no malformed requests. */
  place(index: number): { readonly sale: string } | undefined;
}

/** Columns of 32 bits per order, then two of 64. */
const wordColumns = 6;

/** Array-like and iterable; outcome `i` belongs to request `i`. */
export class OrderOutcomes implements Iterable<OrderOutcome> {
  readonly #orders: AskedOrders;
  readonly #reader: OutcomeReader;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  /** Refusals that are more than an outcome: a malformed request's, say. */
  readonly #refusals = new Map<number, Refusal>();
  #accepted = 0;
  #replayed = 0;

  /** @internal */
  constructor(orders: AskedOrders, reader: OutcomeReader) {
    this.#orders = orders;
    this.#reader = reader;
    this.#words = new Int32Array(orders.length * wordColumns);
    this.#times = new Float64Array(orders.length * 2);
  }

  /** @internal A batch of which no order was tried. */
  static allRefused(length: number, refusal: Refusal): OrderOutcomes {
    const never = (): never => {
      throw new Error('assertion failed: a refused batch has no other outcomes');
    };
    const outcomes = new OrderOutcomes(
      { length, buyer: never, place: never },
      { order: never, refusal: never },
    );
    for (let i = 0; i < length; i++) outcomes.refuseWith(i, refusal);
    return outcomes;
  }

  get length(): number {
    return this.#orders.length;
  }

  /** New orders in the batch. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Repeated idempotency keys in the batch, answered with the order that was there before. */
  get replayed(): number {
    return this.#replayed;
  }

  /** The outcome of request `index`, or undefined beyond the batch. */
  at(index: number): OrderOutcome | undefined {
    const refusal = this.#refusals.get(index);
    if (refusal !== undefined) return refusal;
    if (!Number.isInteger(index) || index < 0 || index >= this.length) return undefined;
    const words = this.#words;
    const at = index * wordColumns;
    const outcome = words[at]! as Outcome;
    if (outcome !== Outcome.done && outcome !== Outcome.replayed) {
      return this.#reader.refusal(outcome, this.#orders.place(index)!.sale);
    }
    const reply = newReply(outcome);
    reply.row = words[at + 1]!;
    reply.orderNumber = words[at + 2]!;
    reply.quantity = words[at + 3]!;
    reply.sequence = words[at + 4]!;
    readStatusWord(words[at + 5]!, reply);
    reply.createdAtMs = this.#times[index * 2]!;
    reply.expiresAtMs = this.#times[index * 2 + 1]!;
    const order = this.#reader.order(reply, this.#orders.buyer(index));
    return { ok: true, order, replayed: outcome === Outcome.replayed };
  }

  *[Symbol.iterator](): Iterator<OrderOutcome> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }

  /** @internal Keeps what a shard answered. */
  keep(index: number, reply: Reply): void {
    const words = this.#words;
    const at = index * wordColumns;
    words[at] = reply.outcome;
    words[at + 1] = reply.row;
    words[at + 2] = reply.orderNumber;
    words[at + 3] = reply.quantity;
    words[at + 4] = reply.sequence;
    words[at + 5] = statusWord(reply);
    this.#times[index * 2] = reply.createdAtMs;
    this.#times[index * 2 + 1] = reply.expiresAtMs;
    if (reply.outcome === Outcome.done) this.#accepted += 1;
    else if (reply.outcome === Outcome.replayed) this.#replayed += 1;
  }

  /** @internal Keeps a refusal that no shard was asked for. */
  refuse(index: number, outcome: Outcome): void {
    assert(
      outcome !== Outcome.done && outcome !== Outcome.replayed,
      'a refusal is none of the two successes',
    );
    this.#words[index * wordColumns] = outcome;
  }

  /** @internal Keeps a refusal that is more than an outcome. */
  refuseWith(index: number, refusal: Refusal): void {
    this.#refusals.set(index, refusal);
  }
}
