/**
 * The outcomes of a batch of orders, kept in columns: an object per order is made only for the outcomes that are
 * looked at. Belongs to the caller who placed the batch.
 */
import { assert } from '../assert.js';
import type { Refusal } from '../errors.js';
import { newReply, type Reply, readStatusWord, statusWord } from '../memory/records.js';
import type { Order, OrderResult } from '../sale/order.js';
import { Outcome } from '../sale/outcome.js';
import type { OrderRequest } from '../sale/schema.js';

export type OrderOutcome = OrderResult | Refusal;

/** What turns a reply, or an outcome without one, into what callers see. */
export interface OutcomeReader {
  order(reply: Reply, buyer: string): Order;
  refusal(outcome: Outcome, request: OrderRequest): Refusal;
}

/** Columns of 32 bits per order, then two of 64. */
const wordColumns = 6;

/** Array-like and iterable; outcome `i` belongs to request `i`. */
export class OrderOutcomes implements Iterable<OrderOutcome> {
  readonly #requests: readonly (OrderRequest | undefined)[];
  readonly #reader: OutcomeReader;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  /** Refusals that are more than an outcome: a malformed request's, say. */
  readonly #refusals = new Map<number, Refusal>();
  #accepted = 0;
  #replayed = 0;

  /** @internal */
  constructor(requests: readonly (OrderRequest | undefined)[], reader: OutcomeReader) {
    this.#requests = requests;
    this.#reader = reader;
    this.#words = new Int32Array(requests.length * wordColumns);
    this.#times = new Float64Array(requests.length * 2);
  }

  /** @internal A batch of which no order was tried. */
  static allRefused(requests: readonly OrderRequest[], refusal: Refusal): OrderOutcomes {
    const never = (): never => {
      throw new Error('assertion failed: a refused batch has no other outcomes');
    };
    const outcomes = new OrderOutcomes(requests, { order: never, refusal: never });
    for (let i = 0; i < requests.length; i++) outcomes.refuseWith(i, refusal);
    return outcomes;
  }

  get length(): number {
    return this.#requests.length;
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
    const request = this.#requests[index];
    if (request === undefined) return undefined;
    const words = this.#words;
    const at = index * wordColumns;
    const outcome = words[at]! as Outcome;
    if (outcome !== Outcome.done && outcome !== Outcome.replayed) {
      return this.#reader.refusal(outcome, request);
    }
    const reply = newReply(outcome);
    reply.row = words[at + 1]!;
    reply.orderNumber = words[at + 2]!;
    reply.quantity = words[at + 3]!;
    reply.sequence = words[at + 4]!;
    readStatusWord(words[at + 5]!, reply);
    reply.createdAtMs = this.#times[index * 2]!;
    reply.expiresAtMs = this.#times[index * 2 + 1]!;
    const order = this.#reader.order(reply, request.buyer);
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
