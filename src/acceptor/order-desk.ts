/**
 * Orders for callers in this process: the embedding API's side of what the HTTP routes do. Runs on the thread of
 * its dispatcher.
 */

import type { Clock } from '../clock.js';
import { type Durability, durabilities, limits } from '../config.js';
import { codes, invalid, type Refusal, refuse } from '../errors.js';
import { newReply, Opcode, type Reply } from '../memory/records.js';
import type { StockTable } from '../memory/stock-table.js';
import type { ReceiptSigner } from '../receipt/signer.js';
import type { Catalogue, CatalogueSale, CatalogueSku } from '../sale/catalogue.js';
import type { Order } from '../sale/order.js';
import type { OrderAddress, OrderIds } from '../sale/order-id.js';
import { Status, statusName } from '../sale/order-state.js';
import { answerOf, Outcome } from '../sale/outcome.js';
import { formatSentences, isPrintable } from '../sale/rules.js';
import { isOrderRequest, type OrderRequest, orderRequest } from '../sale/schema.js';
import { issuesOf } from '../validation.js';
import { admit } from './admission.js';
import type { Dispatched, Dispatcher, Waiter } from './dispatcher.js';
import type { ReplySink } from './in-flight.js';
import { type OrderOutcome, OrderOutcomes } from './order-outcomes.js';

/** What an acceptor needs to answer about orders. */
export interface OrderContext {
  readonly dispatcher: Dispatcher;
  readonly catalogue: Catalogue;
  readonly stock: StockTable;
  readonly ids: OrderIds;
  readonly clock: Clock;
  /** Undefined where orders get no receipt. */
  readonly receipts?: ReceiptSigner | undefined;
}

/** A page of a buyer's orders. */
export interface OrderPage {
  readonly ok: true;
  readonly orders: readonly Order[];
  /** Whether the buyer has more than a page holds. */
  readonly truncated: boolean;
}

/** The deadline that a reply tells of, or null where the order has none to meet. */
export function expiryOf({ status, expiresAtMs }: Reply): number | null {
  const counts = status === Status.held || status === Status.expired;
  return counts && expiresAtMs !== Number.POSITIVE_INFINITY ? expiresAtMs : null;
}

/** The order that a reply describes. */
export function orderOf(context: OrderContext, reply: Reply, buyer: string): Order {
  const sku = context.catalogue.skuInRow(reply.row);
  return {
    orderId: context.ids.format(sku.shard, reply.orderNumber),
    sale: sku.sale.id,
    sku: sku.sku,
    buyer,
    quantity: reply.quantity,
    status: statusName(reply.status),
    sequence: reply.sequence,
    createdAtMs: reply.createdAtMs,
    expiresAtMs: expiryOf(reply),
    reacquired: reply.reacquired,
    durability: durabilities[reply.durability]! satisfies Durability,
  };
}

/**
 * The order that a reply describes, with its receipt if orders get one. A listing has the orders without: a thousand
 * signatures for one request would keep every other buyer waiting.
 */
export function receiptedOrderOf(context: OrderContext, reply: Reply, buyer: string): Order {
  const order = orderOf(context, reply, buyer);
  const { receipts } = context;
  return receipts === undefined ? order : { ...order, receipt: receipts.sign(order) };
}

/** By outcome: its refusal. Made once, because most answers of a sale are one of these. */
const refusals: readonly Refusal[] = Object.values(Outcome).map((outcome) => {
  const { code, detail, refundRequired } = answerOf(outcome);
  if (refundRequired) return { ...refuse(code, detail), refundRequired };
  return codes[code].retry === 'yes' ? refuse(code, detail, 1) : refuse(code, detail);
});

/** The refusal that an outcome means, with the time to wait where it is known. */
export function refusalOf(outcome: Outcome, sale: CatalogueSale | undefined, nowMs: number): Refusal {
  if (outcome !== Outcome.notStarted || sale === undefined) return refusals[outcome]!;
  const { code, detail } = refusals[outcome]!;
  return refuse(code, detail, secondsUntil(sale.startsAtMs, nowMs));
}

function secondsUntil(timeMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((timeMs - nowMs) / 1000));
}

/** The outcome of a request that was not taken. */
export function outcomeOfDispatch(dispatched: Exclude<Dispatched, 'dispatched'>): Outcome {
  return dispatched === 'overloaded' ? Outcome.overloaded : Outcome.shardRecovering;
}

export const saleNotFound = refuse('sale_not_found', 'There is no such sale.');
export const skuNotFound = refuse('sku_not_found', 'The sale has no such SKU.');
export const orderNotFound = refuse('order_not_found', 'There is no such order.');

const unreadable: Refusal = invalid('The order cannot be read.', [
  { path: '', message: 'must be a plain object' },
]);
const tooManyLists = refuse('overloaded', 'Too many listings are under way.', 1);

export class OrderDesk {
  readonly #context: OrderContext;
  /** Listings under way. */
  #lists = 0;

  constructor(context: OrderContext) {
    this.#context = context;
  }

  /** Places one order. */
  async place(request: OrderRequest): Promise<OrderOutcome> {
    return (await this.placeMany([request])).at(0)!;
  }

  /**
   * Places orders in the given sequence and resolves to their outcomes in the same sequence. However many there
   * are, at most `inFlightMax` are under way at a time; the array is the queue.
   */
  placeMany(requests: readonly OrderRequest[]): Promise<OrderOutcomes> {
    return new Promise((resolve) => {
      // Copies: the caller may do with his what he likes, and what was validated is what is sent.
      new PlaceBatch(this.#context, copiesOf(requests), resolve).resume();
    });
  }

  /** Confirms a held order. Confirming a confirmed order succeeds as a replay. */
  confirm(orderId: string): Promise<OrderOutcome> {
    return this.#ask(Opcode.confirm, orderId);
  }

  /** Cancels a held order. Cancelling a cancelled order succeeds as a replay. */
  cancel(orderId: string): Promise<OrderOutcome> {
    return this.#ask(Opcode.cancel, orderId);
  }

  /** Reads an order as it is now. */
  read(orderId: string): Promise<OrderOutcome> {
    return this.#ask(Opcode.read, orderId);
  }

  async #ask(
    opcode: typeof Opcode.confirm | typeof Opcode.cancel | typeof Opcode.read,
    orderId: string,
  ): Promise<OrderOutcome> {
    const address = this.#context.ids.parse(orderId);
    if (address === undefined) return orderNotFound;
    return await new Promise((resolve) => {
      askOrder(this.#context, opcode, address, resolve);
    });
  }

  /** A buyer's orders in a sale, oldest first. */
  async list(saleId: string, buyer: string): Promise<OrderPage | Refusal> {
    if (this.#lists >= limits.listsMax) return tooManyLists;
    this.#lists += 1;
    try {
      return await this.#list(saleId, buyer);
    } finally {
      this.#lists -= 1;
    }
  }

  async #list(saleId: string, buyer: string): Promise<OrderPage | Refusal> {
    const sale = this.#context.catalogue.get(saleId);
    if (sale === undefined) return saleNotFound;
    if (!isPrintable(buyer, limits.buyerBytesMax)) {
      return invalid('The buyer is malformed.', [
        { path: '/buyer', message: formatSentences['leiniao-text']! },
      ]);
    }
    const orders: Order[] = [];
    for (const shard of new Set(sale.skus.map((sku) => sku.shard))) {
      // One more than a page from each shard tells whether the page holds everything.
      for (let after = -1, left = limits.ordersPerListMax + 1; left > 0; left--) {
        const reply = await this.#next(shard, sale, buyer, after);
        if (reply.outcome === Outcome.none) break;
        if (reply.outcome !== Outcome.done) return refusalOf(reply.outcome, sale, this.#context.clock());
        orders.push(orderOf(this.#context, reply, buyer));
        after = reply.orderNumber;
      }
    }
    // Stable, so that orders of one shard in the same millisecond stay in the order in which it accepted them.
    orders.sort((a, b) => a.createdAtMs - b.createdAtMs);
    const truncated = orders.length > limits.ordersPerListMax;
    return { ok: true, orders: orders.slice(0, limits.ordersPerListMax), truncated };
  }

  #next(shard: number, sale: CatalogueSale, buyer: string, after: number): Promise<Reply> {
    const { dispatcher } = this.#context;
    return new Promise((resolve) => {
      const sink: ReplySink = { settle: (_, reply) => resolve({ ...reply }) };
      const dispatched = dispatcher.nextOfBuyer(shard, sale.number, buyer, after, sink, 0);
      if (dispatched !== 'dispatched') resolve(newReply(outcomeOfDispatch(dispatched)));
    });
  }
}

/** Sends one request about an order and hands its outcome to `done`. */
export function askOrder(
  context: OrderContext,
  opcode: typeof Opcode.confirm | typeof Opcode.cancel | typeof Opcode.read,
  address: OrderAddress,
  done: (outcome: OrderOutcome) => void,
): void {
  const sink: ReplySink = {
    settle: (_, reply) => {
      const { outcome } = reply;
      if (outcome !== Outcome.done && outcome !== Outcome.replayed) {
        done(refusalOf(outcome, undefined, context.clock()));
        return;
      }
      const order = receiptedOrderOf(context, reply, context.dispatcher.replyBuyer());
      done({ ok: true, order, replayed: outcome === Outcome.replayed });
    },
  };
  const dispatched = context.dispatcher.order(opcode, address.shard, address.number, sink, 0);
  if (dispatched !== 'dispatched') {
    done(refusalOf(outcomeOfDispatch(dispatched), undefined, context.clock()));
  }
}

/** Copies of as many requests as the array says that it has, whatever else it makes of itself. */
function copiesOf(requests: readonly OrderRequest[]): (OrderRequest | undefined)[] {
  const copies: (OrderRequest | undefined)[] = [];
  const { length } = requests;
  for (let i = 0; i < length; i++) copies.push(copyOf(requests, i));
  return copies;
}

/** A request of our own, each property read once; undefined where it cannot be read. */
function copyOf(requests: readonly OrderRequest[], index: number): OrderRequest | undefined {
  try {
    return { ...requests[index]! };
  } catch {
    return undefined;
  }
}

/** A batch of orders on its way: the token of each reply is the order's index. */
class PlaceBatch implements ReplySink, Waiter {
  readonly #context: OrderContext;
  readonly #requests: readonly (OrderRequest | undefined)[];
  readonly #resolve: (outcomes: OrderOutcomes) => void;
  readonly #outcomes: OrderOutcomes;
  readonly #count: number;
  #next = 0;
  #settled = 0;
  /** One that has passed the check; most of a batch are for the same SKU. */
  #last: OrderRequest | undefined = undefined;
  #lastSku: CatalogueSku | undefined = undefined;

  constructor(
    context: OrderContext,
    requests: readonly (OrderRequest | undefined)[],
    resolve: (outcomes: OrderOutcomes) => void,
  ) {
    this.#context = context;
    this.#requests = requests;
    this.#count = requests.length;
    this.#resolve = resolve;
    this.#outcomes = new OrderOutcomes(requests, {
      order: (reply, buyer) => receiptedOrderOf(context, reply, buyer),
      refusal: (outcome, request) => refusalOf(outcome, context.catalogue.get(request.sale), context.clock()),
    });
  }

  /** Sends as many as there is room for; the rest follows as room comes. */
  resume(): void {
    const { dispatcher, clock } = this.#context;
    const nowMs = clock();
    // What was known of a SKU may have changed since the last turn.
    this.#lastSku = undefined;
    for (; this.#next < this.#count; this.#next++) {
      const index = this.#next;
      const dispatched = this.#send(this.#requests[index], index, nowMs);
      if (dispatched === 'dispatched') continue;
      // A single order is answered rather than kept waiting: its caller has no batch to be patient about.
      if (dispatched === 'overloaded' && this.#count > 1 && dispatcher.awaitRoom(this)) return;
      if (dispatched !== 'refused') this.#outcomes.refuse(index, outcomeOfDispatch(dispatched));
      this.#settled += 1;
    }
    this.#resolveIfDone();
  }

  /** Dispatches a request, unless it is refused at once; then its outcome is kept here. */
  #send(request: OrderRequest | undefined, index: number, nowMs: number): Dispatched | 'refused' {
    const { catalogue, dispatcher } = this.#context;
    const known = isOrderRequest(request, this.#last) ? request : undefined;
    let sku = this.#lastSku;
    if (known !== undefined && (sku === undefined || known.sale !== sku.sale.id || known.sku !== sku.sku)) {
      sku = catalogue.get(known.sale)?.skuById.get(known.sku);
      this.#last = known;
      this.#lastSku = sku;
    }
    if (known === undefined || sku === undefined) {
      this.#outcomes.refuseWith(index, this.#whyNot(request));
      return 'refused';
    }
    const key = known.idempotencyKey ?? '';
    const outcome = admit(sku, this.#context, key !== '', nowMs);
    if (outcome !== Outcome.done) {
      this.#outcomes.refuse(index, outcome);
      return 'refused';
    }
    const patient = this.#count > 1;
    return dispatcher.place(sku, known.buyer, known.quantity ?? 1, key, this, index, patient);
  }

  #whyNot(request: OrderRequest | undefined): Refusal {
    if (request === undefined) return unreadable;
    const errors = issuesOf(orderRequest, request, formatSentences);
    if (errors.length > 0) return invalid('The order is malformed.', errors);
    return this.#context.catalogue.get(request.sale) === undefined ? saleNotFound : skuNotFound;
  }

  settle(index: number, reply: Reply): void {
    this.#outcomes.keep(index, reply);
    this.#settled += 1;
    this.#resolveIfDone();
  }

  #resolveIfDone(): void {
    if (this.#settled === this.#count) this.#resolve(this.#outcomes);
  }
}
