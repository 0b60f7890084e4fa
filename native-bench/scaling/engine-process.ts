/**
 * The process of one measurement: shards in their pool and producers in threads of their own, put together as the engine
 * does it, but with several acceptors. Prints what came of it as JSON. Where anything fails it ends at once, and all its
 * threads with it.
 *
 *   node native-bench/build/scaling/engine-process.js MEASUREMENT
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { clockFrom, clockOrigin } from '#dist/clock.js';
import { SaleControl } from '#dist/engine/sale-control.js';
import { ShardPool } from '#dist/engine/shard-pool.js';
import { allocateSharedMemory } from '#dist/memory/shared-memory.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { Catalogue, type CatalogueSku, recordOf, type SaleRecord } from '#dist/sale/catalogue.js';
import { processTimeNs, threadIds, threadTimeNs } from './cpu-times.js';
import { sharesOf } from './demand.js';
import { inFlightMax, type Measured, type Measurement } from './measurement.js';
import type { ProducerReport, ProducerTask } from './producer-task.js';
import { Producers } from './producers.js';

const measurement = JSON.parse(process.argv[2]!) as Measurement;
const { shards, durability, demand, sellsOut, ordersPerShardMax: ordersMax } = measurement;
const saleId = 'scaling';
const storeId = '5ca1e'.padEnd(32, '0');
/** Defines the sale; the producers are the acceptors after it. */
const mainAcceptor = 0;
/** Longer than any flush: a reply may be late, and none may be missing. */
const replyDeadlineMs = 60_000;
/** Of the room for orders, what producers may use up. */
const roomUsed = 0.8;

const folder = mkdtempSync(join(measurement.folder, 'stores-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}

const acceptors = 1 + measurement.producers;
const memory = allocateSharedMemory({
  shards,
  acceptors,
  inFlightMax,
  keysPerShardMax: ordersMax,
  hashSeed: 7,
});
const origin = clockOrigin();
const clock = clockFrom(origin);
const dispatcher = new Dispatcher({
  ...{ memory, acceptor: mainAcceptor, inFlightMax, replyDeadlineMs, clock, onDefect: fail },
});
const catalogue = new Catalogue(shards);
const stock = new StockTable(memory.stock);
const control = new SaleControl({
  ...{ catalogue, dispatcher, stock, records: undefined, clock, onFailure: fail },
});

function startShards(): ShardPool {
  return new ShardPool({
    heapMiBMax: 1_024,
    tasks: Array.from({ length: shards }, (_, shard) => ({
      ...{ shard, memory, clock: origin, durability, ordersMax, storeId },
      ...{ storePath: join(folder, `shard-${shard}`), restarted: false, flushDelayMs: 10 },
    })),
    events: {
      failed: (_, error) => fail(error),
      closedBadly: (_, error) => fail(error),
      reopened: () => undefined,
    },
  });
}

function startProducers(): Producers {
  // The busiest shard has to hold all of its orders; SKUs other than the first are spread evenly.
  const busiest = Math.min(1, Math.max(...sharesOf(demand, measurement.skus)) + 1 / shards);
  const tasks = Array.from({ length: measurement.producers }, (_, producer): ProducerTask => {
    const room = Math.floor((ordersMax * roomUsed) / busiest / measurement.producers);
    return {
      ...{ producer, memory, clock: origin, storeId, inFlightMax, replyDeadlineMs },
      ...{ demand, sellsOut, ordersMax: room },
    };
  });
  return new Producers(tasks);
}

async function defineSale(): Promise<SaleRecord> {
  const skus = Array.from({ length: measurement.skus }, (_, i) => ({
    ...{ sku: `sku-${i}`, stock: measurement.stock, limitPerBuyer: 1 },
  }));
  const put = await control.putSale(saleId, { holdSeconds: 86_400, skus });
  if (!put.ok) throw new Error(`the sale could not be defined: ${put.code}`);
  return recordOf(catalogue.get(saleId)!);
}

/** Sums a column. */
const sum = <T>(rows: readonly T[], column: (row: T) => number): number =>
  rows.reduce((total, row) => total + column(row), 0);

/** SKU by SKU: units taken are orders accepted, which are all that were asked for, or all that there were. */
function verify(reports: readonly ProducerReport[]): void {
  for (const [i, sku] of catalogue.get(saleId)!.skus.entries()) verifySku(i, sku, reports);
}

function verifySku(i: number, { sku, row }: CatalogueSku, reports: readonly ProducerReport[]): void {
  const { total, available, held } = stock.read(row);
  const accepted = sum(reports, (report) => report.accepted[i]!);
  const asked = sum(reports, (report) => report.asked[i]!);
  const taken = total === measurement.stock && held === accepted && total - available === accepted;
  const due = accepted === Math.min(asked, measurement.stock);
  // One that nobody asked for, with a single hot SKU, has nothing to prove.
  const scarce = !sellsOut || asked === 0 || asked > measurement.stock;
  if (taken && due && scarce) return;
  const units = `${total - available} of ${measurement.stock} units taken`;
  throw new Error(`${sku}: ${units}, ${accepted} orders accepted of ${asked}`);
}

/** Of all orders, the share of the shard that accepted most. */
function busiestShard(reports: readonly ProducerReport[]): number {
  const orders = new Float64Array(shards);
  for (const [i, { shard }] of catalogue.get(saleId)!.skus.entries()) {
    orders[shard]! += sum(reports, (report) => report.accepted[i]!);
  }
  return Math.max(...orders) / orders.reduce((total, count) => total + count, 0);
}

interface Times {
  readonly producers: number;
  readonly shards: number;
  readonly process: number;
}

async function measure(
  producers: Producers,
  shardThreads: readonly string[],
): Promise<Omit<Measured, 'requestNs'>> {
  const times = (): Times => ({
    producers: sum(producers.threads, (thread) => threadTimeNs(thread) ?? 0),
    shards: sum(shardThreads, (thread) => threadTimeNs(thread) ?? 0),
    process: processTimeNs(),
  });
  await producers.run(measurement.warmUpMs);
  const before = times();
  const reports = await producers.run(measurement.windowMs);
  const after = times();
  verify(reports);
  const orders = sum(reports, (report) => report.orders);
  if (orders === 0) throw new Error('nothing was ordered within the window');
  const startedMs = Math.min(...reports.map((report) => report.startedMs));
  const elapsedMs = Math.max(...reports.map((report) => report.endedMs)) - startedMs;
  const spent = (which: 'producers' | 'shards' | 'process'): number => after[which] - before[which];
  const cpu = {
    producersNs: spent('producers') / orders,
    shardsNs: spent('shards') / orders,
    processNs: spent('process') / orders,
  };
  return {
    ...{ ordersPerSecond: (orders / elapsedMs) * 1_000, orders, elapsedMs },
    busiestShard: busiestShard(reports),
    cpu: cpu.producersNs > 0 && cpu.shardsNs > 0 ? cpu : undefined,
  };
}

try {
  const before = new Set(threadIds());
  const producers = startProducers();
  const pool = startShards();
  await Promise.all([producers.loaded(), pool.recovered()]);
  await pool.open();
  const started = threadIds().filter((thread) => !before.has(thread));
  const requestNs = await producers.take(await defineSale());
  const measured = await measure(
    producers,
    started.filter((thread) => !producers.threads.includes(thread)),
  );
  await producers.end();
  await dispatcher.idle();
  dispatcher.close();
  await pool.close();
  process.stdout.write(JSON.stringify({ ...measured, requestNs } satisfies Measured));
} catch (error) {
  fail(error);
}
