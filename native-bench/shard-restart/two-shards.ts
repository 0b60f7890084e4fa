/**
 * Two shards and what sells on them, put together as the engine does it, so that a shard can be sent a command that no
 * engine would send, which ends it with an uncaught error.
 */
import { join } from 'node:path';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { OrderDesk } from '#dist/acceptor/order-desk.js';
import { clockFrom, clockOrigin } from '#dist/clock.js';
import { SaleControl } from '#dist/engine/sale-control.js';
import { ShardPool } from '#dist/engine/shard-pool.js';
import { allocateSharedMemory } from '#dist/memory/shared-memory.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { Catalogue } from '#dist/sale/catalogue.js';
import { OrderIds } from '#dist/sale/order-id.js';

const shards = 2;
const ordersMax = 1 << 23;
const inFlightMax = 8_192;
const storeId = 'a'.repeat(32);

export class TwoShards {
  readonly desk: OrderDesk;
  readonly control: SaleControl;
  /** What no failure on purpose explains. */
  readonly defects: unknown[] = [];
  readonly #dispatcher: Dispatcher;
  readonly #catalogue = new Catalogue(shards);
  readonly #pool: ShardPool;
  #reopened = (): void => undefined;

  constructor(dataDir: string) {
    const memory = allocateSharedMemory({
      shards,
      acceptors: 1,
      inFlightMax,
      keysPerShardMax: ordersMax,
      hashSeed: 7,
    });
    const origin = clockOrigin();
    const clock = clockFrom(origin);
    const catalogue = this.#catalogue;
    const onDefect = (error: unknown) => this.defects.push(error);
    const dispatcher = new Dispatcher({
      ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs: 5_000, clock, onDefect },
    });
    this.#dispatcher = dispatcher;
    const stock = new StockTable(memory.stock);
    this.control = new SaleControl({
      ...{ catalogue, dispatcher, stock, records: undefined, clock, onFailure: onDefect },
    });
    this.#pool = new ShardPool({
      heapMiBMax: 1_024,
      tasks: Array.from({ length: shards }, (_, shard) => ({
        ...{ shard, memory, clock: origin, durability: 'fsync' as const, ordersMax },
        ...{ storePath: join(dataDir, `shard-${shard}`), storeId },
        ...{ restarted: false, flushDelayMs: 10 },
      })),
      events: {
        failed: (shard) => dispatcher.abandon(shard),
        closedBadly: (_, error) => onDefect(error),
        reopened: (shard) => void this.control.retell(shard).then(() => this.#reopened(), onDefect),
      },
    });
    const ids = OrderIds.ofStore(storeId, shards);
    this.desk = new OrderDesk({ dispatcher, catalogue, stock, ids, clock });
  }

  /** Opens the shards, and a sale `s` with a SKU on each: `large` and `healthy`. */
  async open(): Promise<void> {
    await this.#pool.recovered();
    await this.#pool.open();
    const skus = ['large', 'healthy'].map((sku) => ({ sku, stock: 2_000_000_000 }));
    await this.control.putSale('s', { holdSeconds: 86_400, skus });
    if (this.#shardOf('large') === this.#shardOf('healthy')) throw new Error('both SKUs have the same shard');
  }

  #shardOf(sku: string): number {
    return this.#catalogue.get('s')!.skuById.get(sku)!.shard;
  }

  /** Ends the shard of `large` with an uncaught error. Resolves when it is open again. */
  fail(): Promise<void> {
    return new Promise((resolve) => {
      this.#reopened = resolve;
      this.#dispatcher.order(99 as never, this.#shardOf('large'), 0, { settle: () => undefined }, 0);
    });
  }

  /** Units of a SKU that are held. */
  heldOf(sku: string): number {
    return this.control.sku('s', sku)!.held;
  }

  async close(): Promise<void> {
    await this.#dispatcher.idle();
    await this.#pool.close();
  }
}
