/**
 * Orders for callers in this process: the embedding API's side of what the HTTP routes do. Runs on the thread of
 * its dispatcher.
 */

import { limits } from '../config.js';
import { invalid, type Refusal, refuse } from '../errors.js';
import { newReply, Opcode, type Reply } from '../memory/records.js';
import { type CatalogueSale, ownersOf } from '../sale/catalogue.js';
import type { Order } from '../sale/order.js';
import type { OrderAddress } from '../sale/order-id.js';
import { Outcome } from '../sale/outcome.js';
import { formatSentences, isPrintable } from '../sale/rules.js';
import type { OrderRequest } from '../sale/schema.js';
import type { ReplySink } from './in-flight.js';
import {
  type OrderContext,
  orderNotFound,
  orderOf,
  outcomeOfDispatch,
  receiptedOrderOf,
  refusalOf,
  saleNotFound,
} from './order-answers.js';
import type { OrderOutcome, OrderOutcomes } from './order-outcomes.js';
import { PlaceBatch } from './place-batch.js';

/** A page of a buyer's orders. */
export interface OrderPage {
  readonly ok: true;
  readonly orders: readonly Order[];
  /** Whether the buyer has more than a page holds. */
  readonly truncated: boolean;
}

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
  placeMany(requests: readonly OrderRequest[], length = requests.length): Promise<OrderOutcomes> {
    return new Promise((resolve) => {
      new PlaceBatch(this.#context, requests, length, resolve).resume();
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
    for (const shard of ownersOf(sale)) {
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
