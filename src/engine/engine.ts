/**
 * The engine as its users see it: sales, orders, listening, closing. One object, on the thread that called
 * `Engine.start`.
 */
import type { RestockResult, SaleResult, SaleView, SkuView } from '../acceptor/operator.js';
import { notFoundIn } from '../acceptor/order-answers.js';
import { OrderDesk, type OrderPage } from '../acceptor/order-desk.js';
import { type OrderOutcome, OrderOutcomes } from '../acceptor/order-outcomes.js';
import { type HttpServer, listen } from '../acceptor/server.js';
import { type Durability, limits } from '../config.js';
import { invalid, LeiniaoError, type Refusal, refuse } from '../errors.js';
import type { Logger } from '../log.js';
import { type EngineOptions, type ListenOptions, resolveListenOptions } from '../options.js';
import { formatSentences } from '../sale/rules.js';
import {
  type OrderRequest,
  type RestockOptions,
  restockOptions,
  type SaleDefinition,
} from '../sale/schema.js';
import { issuesOf } from '../validation.js';
import { closeParts, type Parts, startParts } from './start.js';

export class Engine {
  readonly #parts: Parts;
  readonly #desk: OrderDesk;
  readonly #servers = new Set<HttpServer>();
  #closing: Promise<void> | undefined = undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#desk = new OrderDesk(parts.context);
  }

  /**
   * Starts an engine: opens and locks the data folder, recovers every shard from its store, and resolves when all
   * of them are open. Nothing listens yet.
   *
   * @throws LeiniaoError `invalid_options`, `data_dir_*` or `shard_failed`
   */
  static async start(options: EngineOptions & { readonly log?: Logger } = {}): Promise<Engine> {
    return new Engine(await startParts(options ?? {}));
  }

  /** How many threads own SKUs. */
  get shards(): number {
    return this.#parts.context.dispatcher.shards;
  }

  /** When an order is acknowledged. */
  get durability(): Durability {
    return this.#parts.config.durability;
  }

  /** Whether every shard is open. */
  get ready(): boolean {
    return this.#closing === undefined && this.#parts.context.dispatcher.allOpen;
  }

  /** Why the engine is not ready, in a sentence. */
  #whyNotReady(): string | undefined {
    if (this.ready) return undefined;
    if (this.#closing !== undefined) return 'The engine is shutting down.';
    return `Not every shard is open: ${this.#parts.pool.closedBecause.join('; ') || 'one is starting again'}.`;
  }

  /**
   * Creates a sale, or replaces one that has not opened yet: the replacement starts with the stock it declares. Resolves
   * when memory for its orders is ready too. Idempotent, so after a refusal that may be tried again the same call finishes what it began.
   *
   * Refusals: `invalid_request`, `sale_open`; `overloaded`, `shard_recovering`, `timeout`, `shutting_down`.
   */
  async putSale(id: string, definition: SaleDefinition): Promise<SaleResult | Refusal> {
    return this.#refusal() ?? (await this.#parts.control.putSale(id, definition));
  }

  /**
   * Stops new orders until the sale is resumed; holds still confirm, cancel or expire. Idempotent.
   *
   * Refusals: `sale_not_found`, `ended`; `overloaded`, `shard_recovering`, `timeout`, `shutting_down`.
   */
  async pauseSale(id: string): Promise<SaleResult | Refusal> {
    return this.#refusal() ?? (await this.#parts.control.pauseSale(id));
  }

  /** Lets a paused sale go on. Idempotent. Refusals as of `pauseSale`. */
  async resumeSale(id: string): Promise<SaleResult | Refusal> {
    return this.#refusal() ?? (await this.#parts.control.resumeSale(id));
  }

  /** Stops new orders for good; holds still confirm, cancel or expire. Idempotent. Refusals as of `pauseSale`. */
  async endSale(id: string): Promise<SaleResult | Refusal> {
    return this.#refusal() ?? (await this.#parts.control.endSale(id));
  }

  /** A sale with its counters, or undefined when there is none. */
  sale(id: string): SaleView | undefined {
    return this.#parts.control.sale(id);
  }

  /** Every sale, oldest first. */
  sales(): SaleView[] {
    return this.#parts.control.sales();
  }

  /**
   * Places one order. It resolves once the order is as durable as the engine's mode promises. With an idempotency key a
   * repeated call gets the order of the first one, as it stands now, and `replayed: true`.
   *
   * Refusals, which consumed nothing: `invalid_request`, `sale_not_found`, `sku_not_found`, `not_started`, `paused`,
   * `ended`, `sold_out`, `insufficient_stock`, `limit_reached`, `idempotency_conflict`; `overloaded`,
   * `shutting_down`. After `timeout` and `shard_recovering` the order may have been made: the same call with the same
   * idempotency key tells, and is safe.
   */
  async placeOrder(request: OrderRequest): Promise<OrderOutcome> {
    return this.#refusal() ?? (await this.#desk.place(request));
  }

  /**
   * Places many orders: decided in the given sequence per SKU, answered in the given sequence. Much cheaper per
   * order than `placeOrder`; the array is the queue, and fewer than `inFlightMax` are under way at a time, so that
   * there is room for others. Refusals as of `placeOrder`, one by one.
   *
   * @throws TypeError when it is not given an array, RangeError when it is given one of more than 16,777,216 orders, or of
   *   more than there is memory for
   */
  async placeOrders(requests: readonly OrderRequest[]): Promise<OrderOutcomes> {
    if (!Array.isArray(requests)) throw new TypeError('placeOrders takes an array of orders');
    // Read once: a proxy may say something else the next time.
    const { length } = requests;
    if (!Number.isInteger(length) || length < 0) throw new TypeError('an array has a whole number of orders');
    if (length > limits.batchOrdersMax) {
      throw new RangeError(`placeOrders takes at most ${limits.batchOrdersMax} orders at a time`);
    }
    const refusal = this.#refusal();
    if (refusal !== undefined) return OrderOutcomes.allRefused(length, refusal);
    return await this.#desk.placeMany(requests, length);
  }

  /**
   * Confirms a held order; confirming a confirmed one succeeds as a replay. After the deadline the order takes its units
   * again where they are still there and the purchase limit allows, and says so (`reacquired`); otherwise the refusal
   * `order_expired` says `refundRequired`.
   *
   * Refusals: `order_not_found`, `order_cancelled`, `order_expired`; `overloaded`, `shard_recovering`, `timeout`,
   * `shutting_down`.
   */
  async confirmOrder(orderId: string): Promise<OrderOutcome> {
    return this.#refusal() ?? (await this.#desk.confirm(orderId));
  }

  /**
   * Cancels a held order and gives its units back; cancelling a cancelled one succeeds as a replay.
   *
   * Refusals: `order_not_found`, `order_confirmed`, `order_expired`; `overloaded`, `shard_recovering`, `timeout`,
   * `shutting_down`.
   */
  async cancelOrder(orderId: string): Promise<OrderOutcome> {
    return this.#refusal() ?? (await this.#desk.cancel(orderId));
  }

  /**
   * An order as it is now. Refusals: `order_not_found`; `overloaded`, `shard_recovering`, `timeout`, `shutting_down`.
   */
  async order(orderId: string): Promise<OrderOutcome> {
    return this.#refusal() ?? (await this.#desk.read(orderId));
  }

  /**
   * A buyer's orders in a sale, oldest first; the first 1,000, and whether there are more.
   *
   * Refusals: `invalid_request`, `sale_not_found`; `overloaded`, `shard_recovering`, `timeout`, `shutting_down`.
   */
  async orders(sale: string, buyer: string): Promise<OrderPage | Refusal> {
    return this.#refusal() ?? (await this.#desk.list(sale, buyer));
  }

  /**
   * Adds units to a SKU; a negative quantity withdraws, never more than is available.
   *
   * @param quantity units, not 0
   *
   * Refusals: `invalid_request`, `sale_not_found`, `sku_not_found`, `ended`, `insufficient_stock`,
   * `idempotency_conflict`; `overloaded`, `shard_recovering`, `timeout`, `shutting_down`.
   */
  async restock(
    sale: string,
    sku: string,
    quantity: number,
    options: RestockOptions = {},
  ): Promise<RestockResult | Refusal> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    // A key that is not understood would be no key, and its restock would be done twice.
    if (!restockOptions.Check(options)) {
      return invalid(
        'The options of the restock are malformed.',
        issuesOf(restockOptions, options, formatSentences),
      );
    }
    return await this.#parts.control.restock(sale, sku, quantity, options.idempotencyKey);
  }

  /**
   * One consistent reading of a SKU's counters, without asking its owner. Refusals: `sale_not_found`, `sku_not_found`.
   */
  stock(sale: string, sku: string): { readonly ok: true; readonly sku: SkuView } | Refusal {
    const line = this.#parts.control.sku(sale, sku);
    if (line !== undefined) return { ok: true, sku: line };
    return notFoundIn(this.#parts.context.catalogue.get(sale));
  }

  /**
   * Serves the HTTP API.
   *
   * @throws LeiniaoError `invalid_options`, `uws_unavailable`, `port_in_use` or `listen_failed`
   */
  async listen(options: ListenOptions = {}): Promise<{ host: string; port: number; url: string }> {
    const { context, control, log } = this.#parts;
    const config = resolveListenOptions(options);
    if (this.#closing !== undefined) throw new LeiniaoError('listen_failed', 'the engine is closed');
    const server = await listen({
      context,
      operator: control,
      whyNotReady: () => this.#whyNotReady(),
      log,
      ...config,
    });
    if (this.#closing !== undefined) {
      await server.close();
      throw new LeiniaoError('listen_failed', 'the engine was closed meanwhile');
    }
    this.#servers.add(server);
    return { host: server.host, port: server.port, url: server.url };
  }

  /**
   * Stops admitting, answers what is in flight, closes every socket, lets the shards finish and closes the store.
   * Calling it again waits for the same close.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { dispatcher, control, log } = this.#parts;
    try {
      await Promise.all(Array.from(this.#servers, (server) => server.close()));
      await control.close();
      await dispatcher.idle();
    } finally {
      await closeParts(this.#parts);
    }
    log.info('closed');
  }

  #refusal(): Refusal | undefined {
    return this.#closing === undefined
      ? undefined
      : refuse('shutting_down', 'The engine is shutting down.', 1);
  }
}
