/** A batch of orders on its way: sent as there is room, answered when all are. On its dispatcher's thread. */

import type { Reply } from '../memory/records.js';
import type { CatalogueSku } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';
import { admit } from './admission.js';
import type { Dispatched, Waiter } from './dispatcher.js';
import type { ReplySink } from './in-flight.js';
import {
  type OrderContext,
  outcomeOfDispatch,
  receiptedOrderOf,
  refusalOf,
  saleNotFound,
  skuNotFound,
} from './order-answers.js';
import { OrderColumns, type OrderPlace } from './order-columns.js';
import { OrderOutcomes } from './order-outcomes.js';

/** The token of each reply is the order's index. */
export class PlaceBatch implements ReplySink, Waiter {
  readonly #context: OrderContext;
  readonly #orders: OrderColumns;
  readonly #resolve: (outcomes: OrderOutcomes) => void;
  readonly #outcomes: OrderOutcomes;
  #next = 0;
  #settled = 0;
  /** Most of a batch are for the same SKU: it is looked up once. */
  #lastPlace: OrderPlace | undefined = undefined;
  #lastSku: CatalogueSku | undefined = undefined;

  constructor(
    context: OrderContext,
    requests: readonly unknown[],
    resolve: (outcomes: OrderOutcomes) => void,
  ) {
    this.#context = context;
    this.#orders = new OrderColumns(requests);
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
    // What was known of a SKU may have changed since the last turn.
    this.#lastPlace = undefined;
    for (; this.#next < length; this.#next++) {
      const index = this.#next;
      const dispatched = this.#send(index, nowMs);
      if (dispatched === 'dispatched') continue;
      // A single order is answered rather than kept waiting: its caller has no batch to be patient about.
      if (dispatched === 'overloaded' && length > 1 && dispatcher.awaitRoom(this)) return;
      if (dispatched !== 'refused') this.#outcomes.refuse(index, outcomeOfDispatch(dispatched));
      this.#settled += 1;
    }
    this.#resolveIfDone();
  }

  /** Dispatches an order, unless it is refused at once; then its outcome is kept here. */
  #send(index: number, nowMs: number): Dispatched | 'refused' {
    const orders = this.#orders;
    const { catalogue, dispatcher } = this.#context;
    const place = orders.place(index);
    if (place !== this.#lastPlace) {
      this.#lastPlace = place;
      this.#lastSku = place && catalogue.get(place.sale)?.skuById.get(place.sku);
    }
    const sku = this.#lastSku;
    if (place === undefined || sku === undefined) {
      this.#outcomes.refuseWith(index, orders.malformed(index) ?? this.#notFound(place!));
      return 'refused';
    }
    const key = orders.key(index);
    const outcome = admit(sku, this.#context, key !== '', nowMs);
    if (outcome !== Outcome.done) {
      this.#outcomes.refuse(index, outcome);
      return 'refused';
    }
    const patient = orders.length > 1;
    return dispatcher.place(sku, orders.buyer(index), orders.quantity(index), key, this, index, patient);
  }

  #notFound({ sale }: OrderPlace) {
    return this.#context.catalogue.get(sale) === undefined ? saleNotFound : skuNotFound;
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
