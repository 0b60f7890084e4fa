/**
 * The process of a measurement: shards in their pool and producers in threads of their own, put together as the engine
 * does it, but with several acceptors. It is warm when it says that it has opened; every round is a window. Where a shard
 * fails it ends at once, and all its threads with it; where a producer fails it says so, and is ended by who started it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { type ClockOrigin, clockFrom, clockOrigin } from '#dist/clock.js';
import { SaleControl } from '#dist/engine/sale-control.js';
import { ShardPool } from '#dist/engine/shard-pool.js';
import { allocateSharedMemory, type SharedMemory } from '#dist/memory/shared-memory.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { Catalogue, type CatalogueSku, recordOf, type SaleRecord } from '#dist/sale/catalogue.js';
import { die, type Measurement as ServedMeasurement, serveMeasurement } from '../harness/child-end.js';
import { processTimeNs, threadIds, threadTimeNs } from './cpu-times.js';
import { sharesOf } from './demand.js';
import { inFlightMax, type Measured, type Measurement } from './measurement.js';
import type { ProducerReport, ProducerTask } from './producer-task.js';
import { Producers } from './producers.js';

const saleId = 'scaling';
const storeId = '5ca1e'.padEnd(32, '0');
/** Defines the sale; the producers are the acceptors after it. */
const mainAcceptor = 0;
/** Longer than any flush: a reply may be late, and none may be missing. */
const replyDeadlineMs = 60_000;
/** Of the room for orders, what producers may use up, and what of that while they warm up. */
const roomUsed = { inAll: 0.8, warmUp: 0.5 } as const;
/** Where all is to be sold out: orders by unit of stock. The SKU that is drawn least gets more than one, too. */
const demandOfStock = 3;

/** Sums a column. */
const sum = <T>(rows: readonly T[], column: (row: T) => number): number =>
  rows.reduce((total, row) => total + column(row), 0);

/** Where the stores go: removed with the process. */
function folderIn(parent: string): string {
  const folder = mkdtempSync(join(parent, 'stores-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.once('SIGTERM', () => process.exit());
  return folder;
}

function startShards(measurement: Measurement, memory: SharedMemory, clock: ClockOrigin): ShardPool {
  const { shards, durability, ordersPerShardMax: ordersMax } = measurement;
  const folder = folderIn(measurement.folder);
  return new ShardPool({
    heapMiBMax: 1_024,
    tasks: Array.from({ length: shards }, (_, shard) => ({
      ...{ shard, memory, clock, durability, ordersMax, storeId },
      ...{ storePath: join(folder, `shard-${shard}`), restarted: false, flushDelayMs: 10 },
    })),
    events: {
      failed: (_, error) => die(error),
      closedBadly: (_, error) => die(error),
      reopened: () => undefined,
    },
  });
}

function startProducers(measurement: Measurement, memory: SharedMemory, clock: ClockOrigin): Producers {
  const { demand, sellsOut } = measurement;
  return new Producers(
    Array.from({ length: measurement.producers }, (_, producer): ProducerTask => {
      return { producer, memory, clock, storeId, inFlightMax, replyDeadlineMs, demand, sellsOut };
    }),
  );
}

/** Orders that each producer may place in all. */
function roomOf({ shards, producers, demand, skus, ordersPerShardMax }: Measurement): number {
  // The busiest shard has to hold all of its orders; SKUs other than the first are spread evenly.
  const busiest = Math.min(1, Math.max(...sharesOf(demand, skus)) + 1 / shards);
  return Math.floor((ordersPerShardMax * roomUsed.inAll) / busiest / producers);
}

/** Orders of each producer that ask for several times the stock of every SKU. */
function ordersToSellOut({ skus, stock, producers }: Measurement): number {
  return Math.ceil((demandOfStock * skus * stock) / producers);
}

interface Times {
  readonly producers: number;
  readonly shards: number;
  readonly process: number;
}

class MeasuredEngine implements ServedMeasurement<Measured> {
  readonly #measurement: Measurement;
  readonly #stock: StockTable;
  readonly #dispatcher: Dispatcher;
  readonly #catalogue: Catalogue;
  readonly #control: SaleControl;
  readonly #producers: Producers;
  readonly #pool: ShardPool;
  readonly #room: number;
  #shardThreads: readonly string[] = [];
  #requestNs = 0;
  /** By producer: orders placed. */
  readonly #placed: number[];

  private constructor(measurement: Measurement) {
    const { shards, producers, ordersPerShardMax } = measurement;
    this.#measurement = measurement;
    this.#room = roomOf(measurement);
    this.#placed = new Array(producers).fill(0);
    const memory = allocateSharedMemory({
      ...{ shards, acceptors: 1 + producers, inFlightMax, keysPerShardMax: ordersPerShardMax },
      hashSeed: 7,
    });
    const origin = clockOrigin();
    const clock = clockFrom(origin);
    this.#catalogue = new Catalogue(shards);
    this.#stock = new StockTable(memory.stock);
    this.#dispatcher = new Dispatcher({
      ...{ memory, acceptor: mainAcceptor, inFlightMax, replyDeadlineMs, clock, onDefect: die },
    });
    this.#control = new SaleControl({
      ...{ catalogue: this.#catalogue, dispatcher: this.#dispatcher, stock: this.#stock },
      ...{ records: undefined, clock, onFailure: die },
    });
    this.#producers = startProducers(measurement, memory, origin);
    this.#pool = startShards(measurement, memory, origin);
  }

  static async open(measurement: Measurement): Promise<MeasuredEngine> {
    const before = new Set(threadIds());
    const engine = new MeasuredEngine(measurement);
    await engine.#open(before);
    return engine;
  }

  async #open(threadsBefore: ReadonlySet<string>): Promise<void> {
    const producers = this.#producers;
    await Promise.all([producers.loaded(), this.#pool.recovered()]);
    await this.#pool.open();
    const started = threadIds().filter((thread) => !threadsBefore.has(thread));
    this.#shardThreads = started.filter((thread) => !producers.threads.includes(thread));
    this.#requestNs = await producers.take(await this.#defineSale());
    const { warmUpMs } = this.#measurement;
    if (warmUpMs > 0) await this.#run(warmUpMs, roomUsed.warmUp, 0);
  }

  async #defineSale(): Promise<SaleRecord> {
    const { skus, stock } = this.#measurement;
    const definition = {
      holdSeconds: 86_400,
      skus: Array.from({ length: skus }, (_, i) => ({ sku: `sku-${i}`, stock, limitPerBuyer: 1 })),
    };
    const put = await this.#control.putSale(saleId, definition);
    if (!put.ok) throw new Error(`the sale could not be defined: ${put.code}`);
    return recordOf(this.#catalogue.get(saleId)!);
  }

  /**
   * @param share of the room, what may be used up by the end of it
   * @param ordersMin orders of each producer, however long they take
   */
  async #run(runMs: number, share: number, ordersMin: number): Promise<ProducerReport[]> {
    const ordersMax = Math.floor(this.#room * share);
    const reports = await this.#producers.run({ runMs, ordersMin, ordersMax });
    for (const [producer, { orders }] of reports.entries()) this.#placed[producer]! += orders;
    return reports;
  }

  async measure(): Promise<Measured> {
    const { windowMs, sellsOut } = this.#measurement;
    const before = this.#times();
    const reports = await this.#run(windowMs, 1, sellsOut ? ordersToSellOut(this.#measurement) : 0);
    const after = this.#times();
    this.#verify(reports);
    const orders = sum(reports, (report) => report.orders);
    if (orders === 0) throw new Error('nothing was ordered within the window');
    const startedMs = Math.min(...reports.map((report) => report.startedMs));
    const endedMs = Math.max(...reports.map((report) => report.endedMs));
    const spent = (which: keyof Times): number => (after[which] - before[which]) / orders;
    const cpu = {
      ...{ producersNs: spent('producers'), shardsNs: spent('shards'), processNs: spent('process') },
    };
    return {
      ...{ ordersPerSecond: (orders / (endedMs - startedMs)) * 1_000, orders, startedMs, endedMs },
      busiestShard: this.#busiestShard(reports),
      cpu: cpu.producersNs > 0 && cpu.shardsNs > 0 ? cpu : undefined,
      ...{ requestNs: this.#requestNs, roomLeft: this.#room - Math.max(...this.#placed) },
    };
  }

  #times(): Times {
    return {
      producers: sum(this.#producers.threads, (thread) => threadTimeNs(thread) ?? 0),
      shards: sum(this.#shardThreads, (thread) => threadTimeNs(thread) ?? 0),
      process: processTimeNs(),
    };
  }

  /** SKU by SKU: units taken are orders accepted, which are all that were asked for, or all that there were. */
  #verify(reports: readonly ProducerReport[]): void {
    for (const [i, sku] of this.#catalogue.get(saleId)!.skus.entries()) this.#verifySku(i, sku, reports);
  }

  #verifySku(i: number, { sku, row }: CatalogueSku, reports: readonly ProducerReport[]): void {
    const { stock, sellsOut } = this.#measurement;
    const { total, available, held } = this.#stock.read(row);
    const accepted = sum(reports, (report) => report.accepted[i]!);
    const asked = sum(reports, (report) => report.asked[i]!);
    const taken = total === stock && held === accepted && total - available === accepted;
    const due = accepted === Math.min(asked, stock);
    // One that nobody asked for, with a single hot SKU, has nothing to prove.
    if (sellsOut && asked > 0 && asked <= stock)
      throw new Error(`${sku}: only ${asked} orders were placed for ${stock} units, which proves nothing`);
    if (taken && due) return;
    const units = `${total - available} of ${stock} units taken`;
    throw new Error(`${sku}: ${units}, ${accepted} orders accepted of ${asked}`);
  }

  /** Of all orders, the share of the shard that accepted most. */
  #busiestShard(reports: readonly ProducerReport[]): number {
    const orders = new Float64Array(this.#measurement.shards);
    for (const [i, { shard }] of this.#catalogue.get(saleId)!.skus.entries()) {
      orders[shard]! += sum(reports, (report) => report.accepted[i]!);
    }
    return Math.max(...orders) / orders.reduce((total, count) => total + count, 0);
  }

  async close(): Promise<void> {
    await this.#producers.end();
    await this.#dispatcher.idle();
    this.#dispatcher.close();
    await this.#pool.close();
  }
}

await serveMeasurement((measurement: Measurement) => MeasuredEngine.open(measurement));
