/** A batch of orders on its way: sent as there is room, answered when all are. On its dispatcher's thread. */

import { limits } from '../config.js';
import type { Refusal } from '../errors.js';
import type { Reply } from '../memory/records.js';
import { Outcome } from '../sale/outcome.js';
import { admit } from './admission.js';
import type { Waiter } from './dispatcher.js';
import type { ReplySink } from './in-flight.js';
import { notFoundIn, type OrderContext, receiptedOrderOf, refusalOf } from './order-answers.js';
import { OrderColumns } from './order-columns.js';
import { OrderOutcomes } from './order-outcomes.js';

/** The token of each reply is the order's index. */
export class PlaceBatch implements ReplySink, Waiter {
  readonly #context: OrderContext;
  readonly #orders: OrderColumns;
  readonly #resolve: (outcomes: OrderOutcomes) => void;
  readonly #outcomes: OrderOutcomes;
  #next = 0;
  #settled = 0;

  constructor(
    context: OrderContext,
    requests: readonly unknown[],
    length: number,
    resolve: (outcomes: OrderOutcomes) => void,
  ) {
    this.#context = context;
    this.#orders = new OrderColumns(requests, length);
    this.#resolve = resolve;
    this.#outcomes = new OrderOutcomes(this.#orders, {
      order: (reply, buyer) => receiptedOrderOf(context, reply, buyer),
      refusal: (outcome, sale) => refusalOf(outcome, context.catalogue.get(sale), context.clock()),
    });
  }

  /** Sends as many as there is room for; the rest follows as room comes. */
  resume(): void {
    const { dispatcher, clock } = this.#context;
    const { length } = this.#orders;
    const nowMs = clock();
    while (this.#next < length) {
      const end = this.#runEnd();
      this.#next += this.#send(this.#next, end, nowMs);
      if (this.#next === end) continue;
      // A single order is answered rather than kept waiting: its caller has no batch to be patient about.
      if (length > 1 && dispatcher.awaitRoom(this)) return;
      this.#next += this.#refuse(this.#next, this.#next + 1, Outcome.overloaded);
    }
    this.#resolveIfDone();
  }

  /** The end of the run that begins with the next order: of orders for the same SKU, all with a key or all without. */
  #runEnd(): number {
    const orders = this.#orders;
    const from = this.#next;
    const place = orders.place(from);
    const keyed = orders.keyed(from);
    const max = Math.min(orders.length, from + limits.admittedTogetherMax);
    let end = from + 1;
    while (end < max && orders.place(end) === place && orders.keyed(end) === keyed) end += 1;
    return end;
  }

  /** Dispatches a run, or refuses it at once. Returns how many of its orders are dealt with: for the rest there is no room. */
  #send(from: number, to: number, nowMs: number): number {
    const orders = this.#orders;
    const context = this.#context;
    const place = orders.place(from);
    if (place === undefined) return this.#refuseWith(from, to, (index) => orders.malformed(index)!);
    const sku = context.catalogue.sku(place.sale, place.sku);
    if (sku === undefined)
      return this.#refuseWith(from, to, () => notFoundIn(context.catalogue.get(place.sale)));
    const outcome = admit(sku, context, orders.keyed(from), nowMs);
    if (outcome !== Outcome.done) return this.#refuse(from, to, outcome);
    const sent = context.dispatcher.placePacked(sku, orders, from, to, this, orders.length > 1);
    return sent === 'recovering' ? this.#refuse(from, to, Outcome.shardRecovering) : sent;
  }

  #refuse(from: number, to: number, outcome: Outcome): number {
    for (let index = from; index < to; index++) this.#outcomes.refuse(index, outcome);
    this.#settled += to - from;
    return to - from;
  }

  #refuseWith(from: number, to: number, why: (index: number) => Refusal): number {
    for (let index = from; index < to; index++) this.#outcomes.refuseWith(index, why(index));
    this.#settled += to - from;
    return to - from;
  }

  settle(index: number, reply: Reply): void {
    this.#outcomes.keep(index, reply);
    this.#settled += 1;
    this.#resolveIfDone();
  }

  #resolveIfDone(): void {
    if (this.#settled === this.#orders.length) this.#resolve(this.#outcomes);
  }
}
