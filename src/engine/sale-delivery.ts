/**
 * Tells shards what operators decide about sales, and waits for what they say. A command may come again and then changes
 * nothing, so that whoever got no answer may send it once more. On the thread that started the engine.
 */
import type { Dispatched, Dispatcher, Waiter } from '../acceptor/dispatcher.js';
import type { ReplySink } from '../acceptor/in-flight.js';
import { outcomeOfDispatch } from '../acceptor/order-answers.js';
import { limits } from '../config.js';
import { Opcode, type Reply } from '../memory/records.js';
import { type CatalogueSale, type CatalogueSku, ownersOf } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';

export class SaleDelivery {
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /**
   * Sends a sale's definition and state to its owners, or to one of them; they keep what they know already. An owner that
   * is gone keeps none of the others waiting. Returns the first outcome that went wrong, if any did.
   */
  async tell(sale: CatalogueSale, shard?: number): Promise<Outcome | undefined> {
    const defined = await this.#define(sale, shard);
    const controlled = await this.#toOwners(
      sale,
      (owner, sink, token) => this.#dispatcher.sale(Opcode.control, sale, owner, sale.state, sink, token),
      shard,
    );
    return [...defined, ...controlled].find((outcome) => !carriedOut(outcome));
  }

  #define(sale: CatalogueSale, shard?: number): Promise<Outcome[]> {
    const spread = ownersOf(sale).size > 1;
    const skus = shard === undefined ? sale.skus : sale.skus.filter((sku) => sku.shard === shard);
    return this.#toAll(skus, (sku, sink, token) => this.#dispatcher.define(sku, spread, sink, token));
  }

  /** Has the owners forget SKUs that no order was placed for. */
  remove(skus: readonly CatalogueSku[]): Promise<Outcome[]> {
    return this.#toAll(skus, (sku, sink, token) => this.#dispatcher.remove(sku, sink, token));
  }

  /** Has the owners keep a sale from opening. One outcome each. */
  freeze(sale: CatalogueSale): Promise<Outcome[]> {
    return this.#toOwners(sale, (shard, sink, token) =>
      this.#dispatcher.sale(Opcode.freeze, sale, shard, sale.state, sink, token),
    );
  }

  /** Has them let it go on. */
  unfreeze(sale: CatalogueSale): Promise<Outcome[]> {
    return this.#toOwners(sale, (shard, sink, token) =>
      this.#dispatcher.sale(Opcode.unfreeze, sale, shard, sale.state, sink, token),
    );
  }

  /** Adds units to a SKU, or takes some away. */
  restock(sku: CatalogueSku, quantity: number, idempotencyKey: string): Promise<Outcome> {
    return this.#send((sink, token) => this.#dispatcher.restock(sku, quantity, idempotencyKey, sink, token));
  }

  /**
   * Has shards get memory ready for the orders to come, so that those need not wait for it. Resolves when it is, or when a
   * shard does not answer: its orders find memory all the same.
   */
  async prepare(shards: Iterable<number>): Promise<void> {
    await Promise.all(Array.from(shards, (shard) => this.#prepare(shard)));
  }

  /** Share by share: between two of them the shard decides what has come meanwhile. */
  async #prepare(shard: number): Promise<void> {
    let left: number;
    do {
      left = 0;
      await this.#send(
        (sink, token) => this.#dispatcher.prepare(shard, sink, token),
        (reply) => {
          if (carriedOut(reply.outcome)) left = reply.quantity;
        },
      );
    } while (left > 0);
  }

  #toOwners(
    sale: CatalogueSale,
    send: (shard: number, sink: ReplySink, token: number) => Dispatched,
    only?: number,
  ): Promise<Outcome[]> {
    const owners = [...ownersOf(sale)];
    return this.#toAll(only === undefined ? owners : owners.filter((owner) => owner === only), send);
  }

  /** Sends one request per item and collects the outcomes, a window at a time: a sale may have 1,024 SKUs. */
  async #toAll<T>(
    items: readonly T[],
    send: (item: T, sink: ReplySink, token: number) => Dispatched,
  ): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let i = 0; i < items.length; i += limits.controlWindow) {
      const window = items.slice(i, i + limits.controlWindow);
      outcomes.push(
        ...(await Promise.all(window.map((item) => this.#send((sink, token) => send(item, sink, token))))),
      );
    }
    return outcomes;
  }

  /**
   * Sends one command. Where the in-flight table is full it waits for room: a change must not stop half-way.
   *
   * @param look at the reply, which is reused afterwards
   */
  #send(
    send: (sink: ReplySink, token: number) => Dispatched,
    look?: (reply: Reply) => void,
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const sink: ReplySink = {
        settle: (_, reply) => {
          look?.(reply);
          resolve(reply.outcome);
        },
      };
      const attempt: Waiter = {
        resume: () => {
          const dispatched = send(sink, 0);
          if (dispatched === 'dispatched') return;
          if (dispatched === 'overloaded' && this.#dispatcher.awaitRoom(attempt)) return;
          resolve(outcomeOfDispatch(dispatched));
        },
      };
      attempt.resume();
    });
  }
}

/** Whether a shard did what it was told, now or when it was told before. */
export function carriedOut(outcome: Outcome): boolean {
  return outcome === Outcome.done || outcome === Outcome.replayed;
}
