/**
 * The parts of an engine, put together as the engine does it, so that a test can send a shard a command that no engine
 * would, which ends it with an uncaught error, or hand the engine a disk of the test's own.
 */
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Dispatcher } from '../../dist/acceptor/dispatcher.js';
import { type EventLoop, threadEventLoop } from '../../dist/acceptor/event-loop.js';
import type { OrderContext } from '../../dist/acceptor/order-answers.js';
import { OrderDesk } from '../../dist/acceptor/order-desk.js';
import { clockFrom, clockOrigin } from '../../dist/clock.js';
import type { Durability } from '../../dist/config.js';
import type { SaleRecords } from '../../dist/engine/sale-changes.js';
import { SaleControl } from '../../dist/engine/sale-control.js';
import { ShardPool } from '../../dist/engine/shard-pool.js';
import type { Reply } from '../../dist/memory/records.js';
import { allocateSharedMemory } from '../../dist/memory/shared-memory.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { Catalogue } from '../../dist/sale/catalogue.js';
import { OrderIds } from '../../dist/sale/order-id.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { tempDir } from '../support/temp-dir.js';
import { until, within } from '../support/until.js';

const ordersMax = 4_096;
export const inFlightMax = 256;
const storeId = 'a'.repeat(32);

interface Failure {
  readonly shard: number;
  readonly message: string;
  readonly retryMs: number | undefined;
}

/** The parts of an engine, closed when the test ends. */
export async function startParts(
  shards: number,
  durability: Durability = 'fsync',
  { records, eventLoop = threadEventLoop }: { records?: SaleRecords; eventLoop?: EventLoop } = {},
) {
  const dataDir = tempDir();
  const memory = allocateSharedMemory({
    shards,
    acceptors: 1,
    inFlightMax,
    keysPerShardMax: ordersMax,
    hashSeed: 7,
  });
  const origin = clockOrigin();
  const clock = clockFrom(origin);
  const defects: unknown[] = [];
  const dispatcher = new Dispatcher({
    ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs: 20_000, clock },
    onDefect: (error) => defects.push(error),
  });
  const failures: Failure[] = [];
  let reopened = 0;
  const pathOf = (shard: number) => join(dataDir, `shard-${shard}`);
  const pool: ShardPool = new ShardPool({
    heapMiBMax: 64,
    tasks: Array.from({ length: shards }, (_, shard) => ({
      ...{
        shard,
        memory,
        clock: origin,
        durability,
        ordersMax,
        storePath: pathOf(shard),
        storeId,
      },
      ...{ restarted: false, flushDelayMs: 5 },
    })),
    events: {
      failed: (shard, error, retryMs) => {
        failures.push({ shard, message: error.message, retryMs });
        dispatcher.abandon(shard);
      },
      closedBadly: (_, error) => defects.push(error),
      reopened: (shard) => {
        reopened += 1;
        void control.retell(shard);
      },
    },
  });
  const catalogue = new Catalogue(shards);
  const stock = new StockTable(memory.stock);
  const onFailure = () => undefined;
  const control = new SaleControl({ catalogue, dispatcher, stock, records, clock, onFailure, eventLoop });
  onTestFinished(async () => {
    await dispatcher.idle();
    dispatcher.close();
    await within('the close', pool.close());
    expect(defects).toEqual([]);
  });
  await pool.recovered();
  await pool.open();
  const context: OrderContext = { dispatcher, catalogue, stock, ids: new OrderIds(1, shards), clock };
  /** Sends a shard an opcode it does not have. Resolves to what the asker is told. */
  const crash = (shard: number) =>
    new Promise<Outcome>((done) => {
      const sink = { settle: (_: number, reply: Reply) => done(reply.outcome) };
      expect(dispatcher.order(99 as never, shard, 0, sink, 0)).toBe('dispatched');
    });
  return {
    ...{ catalogue, clock, control, dispatcher, failures, pool, crash, pathOf, desk: new OrderDesk(context) },
    reopened: () => reopened,
    /** By SKU: the shard that owns it. */
    owner: (sku: string) => catalogue.get('s')!.skuById.get(sku)!.shard,
    line: (sku: string) => control.sku('s', sku)!,
  };
}

export type Parts = Awaited<ReturnType<typeof startParts>>;

/** Opens a sale of two SKUs with owners of their own. */
export async function openSale(parts: Parts): Promise<void> {
  const skus = [
    { sku: 'a', stock: 1_000, limitPerBuyer: 1 },
    { sku: 'b', stock: 1_000 },
  ];
  expect((await parts.control.putSale('s', { skus })).ok).toBe(true);
}

/** Crashes a shard and resolves once it is open again. */
export async function crashAndReopen(parts: Parts, shard: number): Promise<void> {
  const before = parts.reopened();
  expect(await parts.crash(shard)).toBe(Outcome.shardRecovering);
  await until('the shard to be open again', () => parts.reopened() > before);
}
