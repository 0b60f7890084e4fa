/** What an acceptor says about orders: from the replies of shards, and from what it knows itself. On the acceptor's thread. */
import type { Clock } from '../clock.js';
import { type Durability, durabilities } from '../config.js';
import { codes, type Refusal, refuse } from '../errors.js';
import type { Reply } from '../memory/records.js';
import type { StockTable } from '../memory/stock-table.js';
import type { ReceiptSigner } from '../receipt/signer.js';
import type { Catalogue, CatalogueSale } from '../sale/catalogue.js';
import type { Order } from '../sale/order.js';
import type { OrderIds } from '../sale/order-id.js';
import { Status, statusName } from '../sale/order-state.js';
import { answerOf, Outcome } from '../sale/outcome.js';
import type { Dispatched, Dispatcher } from './dispatcher.js';

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
const skuNotFound = refuse('sku_not_found', 'The sale has no such SKU.');
export const orderNotFound = refuse('order_not_found', 'There is no such order.');

/** What to say of a SKU that was not found: its sale is missing, if that is undefined, or the SKU in it. */
export function notFoundIn(sale: object | undefined): Refusal {
  return sale === undefined ? saleNotFound : skuNotFound;
}
