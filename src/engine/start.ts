/**
 * Puts an engine together: opens and locks the data folder, allocates what the threads share, starts the shards, takes
 * the sales in; and takes it apart again. On the thread that called `Engine.start`.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { Dispatcher } from '../acceptor/dispatcher.js';
import type { OrderContext } from '../acceptor/order-answers.js';
import { type Clock, type ClockOrigin, clockFrom, clockOrigin, setAhead } from '../clock.js';
import { limits, shardsDefault } from '../config.js';
import { invalidOption } from '../errors.js';
import { guarded, type Logger, silentLogger } from '../log.js';
import { allocateSharedMemory, type SharedMemory } from '../memory/shared-memory.js';
import { StockTable } from '../memory/stock-table.js';
import { ThreadTable } from '../memory/thread-table.js';
import { type EngineConfig, type EngineOptions, resolveEngineOptions } from '../options.js';
import { readPrivateKey } from '../receipt/keys.js';
import { ReceiptSigner } from '../receipt/signer.js';
import { Catalogue } from '../sale/catalogue.js';
import { OrderIds } from '../sale/order-id.js';
import type { ShardTask } from '../shard/service.js';
import { CatalogueStore } from '../store/catalogue-store.js';
import { DataDir } from '../store/data-dir.js';
import { tailsAside } from '../store/tail.js';
import { SaleControl } from './sale-control.js';
import { type ShardEvents, ShardPool } from './shard-pool.js';

/** The acceptor on the thread that starts the engine. */
const mainAcceptor = 0;

/** What has to be closed in the end. */
export interface Closable {
  readonly dispatcher: Dispatcher;
  readonly pool: ShardPool;
  /** Undefined when nothing is stored, as is the folder. */
  readonly records: CatalogueStore | undefined;
  readonly dataDir: DataDir | undefined;
}

/** What an engine consists of. */
export interface Parts extends Closable {
  readonly config: EngineConfig;
  readonly log: Logger;
  readonly context: OrderContext;
  readonly control: SaleControl;
}

/**
 * Starts the parts, and resolves when every shard is open and knows its sales. What was opened is closed again where it
 * fails.
 *
 * @throws LeiniaoError `invalid_options`, `data_dir_*` or `shard_failed`
 */
export async function startParts(options: EngineOptions & { readonly log?: Logger }): Promise<Parts> {
  const { log: givenLog = silentLogger, ...given } = options;
  requireLogger(givenLog);
  const log = guarded(givenLog);
  // The key stays out of what is handed on: only an acceptor signs.
  const { receiptKey, ...config } = resolveEngineOptions(given);
  const signingKey = receiptKey === undefined ? undefined : readPrivateKey(receiptKey);
  const opened: { -readonly [name in keyof Closable]?: Closable[name] } = {};
  try {
    const dataDir = await openDataDir(config, given.shards);
    opened.dataDir = dataDir;
    const records =
      dataDir === undefined ? undefined : new CatalogueStore(dataDir.cataloguePath, dataDir.storeId);
    opened.records = records;
    const shards = dataDir?.shards ?? config.shards;
    const { durability } = config;
    log.info({ ...(dataDir === undefined ? {} : { dataDir: dataDir.path }), durability, shards }, 'opening');
    const memory = allocateSharedMemory({
      shards,
      acceptors: 1,
      inFlightMax: config.inFlightMax,
      keysPerShardMax: config.ordersPerShardMax,
      hashSeed: randomInt(2 ** 32),
    });
    const origin = clockOrigin();
    const clock = clockFrom(origin);
    const { inFlightMax, replyDeadlineMs } = config;
    const onDefect = (error: unknown): void => log.error({ err: error }, 'a reply could not be handled');
    const dispatcher = new Dispatcher({
      ...{ memory, acceptor: mainAcceptor, inFlightMax, replyDeadlineMs, clock, onDefect },
    });
    opened.dispatcher = dispatcher;
    let control: SaleControl | undefined;
    const pool = new ShardPool({
      tasks: shardTasks(config, memory, origin, dataDir),
      heapMiBMax: config.shardHeapMiBMax,
      events: shardEvents(dispatcher, () => control, log),
    });
    opened.pool = pool;
    const catalogue = new Catalogue(memory.shards);
    const stock = new StockTable(memory.stock);
    const sales = new SaleControl({
      ...{ catalogue, dispatcher, stock, records, clock },
      onFailure: (error, what) => log.error({ err: error }, what),
    });
    // Whatever is damaged, or contradicts the rest, shows before anything is written: a folder that is refused is left as
    // it was.
    await pool.recovered();
    sales.takeIn(records?.read() ?? [], newestRevision(memory));
    followStores(origin, clock, memory, log);
    await pool.open();
    dataDir?.markComplete();
    if (dataDir !== undefined) tellOfTails(dataDir, log);
    control = sales;
    await sales.restore();
    const storeId = dataDir?.storeId ?? randomBytes(16).toString('hex');
    const ids = OrderIds.ofStore(storeId, memory.shards);
    const receipts = signingKey === undefined ? undefined : new ReceiptSigner(signingKey, storeId);
    if (receipts !== undefined) log.info({ keyId: receipts.keyId }, 'orders get receipts');
    const context = { dispatcher, catalogue, stock, ids, clock, receipts };
    return { config, log, dataDir, records, dispatcher, pool, context, control: sales };
  } catch (error) {
    await closeParts(opened);
    throw error;
  }
}

async function openDataDir(config: EngineConfig, shards: number | undefined): Promise<DataDir | undefined> {
  if (config.durability === 'memory') return undefined;
  return await DataDir.open({ path: config.dataDir, shards, shardsDefault });
}

/** @param control the sales, once they are there: a shard that fails before has nothing to be told */
function shardEvents(
  dispatcher: Dispatcher,
  control: () => SaleControl | undefined,
  log: Logger,
): ShardEvents {
  return {
    failed: (shard, error, retryMs) => {
      dispatcher.abandon(shard);
      const next = retryMs === undefined ? 'it stays closed' : `it is started again in ${retryMs} ms`;
      log.error({ err: error, shard }, `a shard has failed, its SKUs answer shard_recovering; ${next}`);
    },
    closedBadly: (shard, error) => log.error({ err: error, shard }, 'a shard failed as it was closed'),
    reopened: (shard) => {
      log.info({ shard }, 'a shard is open again');
      void control()
        ?.retell(shard)
        .then((sales) => {
          if (sales.length > 0)
            log.warn({ shard, sales }, 'a shard could not be told what these sales are by now');
        });
    },
  };
}

/** Closes what there is, from the outside in; one that fails keeps none of the others open. */
export async function closeParts({ dispatcher, pool, records, dataDir }: Partial<Closable>): Promise<void> {
  dispatcher?.close();
  try {
    await pool?.close();
  } finally {
    try {
      await records?.close();
    } finally {
      await dataDir?.close();
    }
  }
}

function requireLogger(log: Logger): void {
  const methods = ['info', 'warn', 'error'] as const;
  if (log !== null && typeof log === 'object' && methods.every((name) => typeof log[name] === 'function'))
    return;
  throw invalidOption('/log', 'must have the methods info, warn and error');
}

function newestRevision({ threads: lines, shards }: SharedMemory): number {
  const threads = new ThreadTable(lines, shards);
  return Math.max(...Array.from({ length: shards }, (_, shard) => threads.newestRevision(shard)));
}

/** Of tails that were put aside somebody should know at the start: an audit may be long in coming. */
function tellOfTails(dataDir: DataDir, log: Logger): void {
  for (let shard = 0; shard < dataDir.shards; shard++) {
    const files = tailsAside(dataDir.shardPath(shard));
    if (files.length === 0) continue;
    const what =
      'a journal did not go on to the end of its tail, as after a power cut, and what is left was put aside';
    log.warn({ shard, files }, what);
  }
}

/** No order is made at a time before those that are in the stores, whatever happened to the machine's clock. */
function followStores(
  origin: ClockOrigin,
  clock: Clock,
  { threads: lines, shards }: SharedMemory,
  log: Logger,
): void {
  const threads = new ThreadTable(lines, shards);
  const newest = Math.max(...Array.from({ length: shards }, (_, shard) => threads.lastTime(shard)));
  const aheadMs = Math.ceil(newest - clock());
  if (aheadMs <= 0) return;
  setAhead(origin, aheadMs);
  // A few milliseconds are what two readings of a clock may differ by.
  if (aheadMs < limits.clockAheadMsNoted) return;
  const details = { aheadMs, newest: new Date(newest).toISOString() };
  log.warn(
    details,
    'the clock of this machine is behind the newest order in the data folder; going on from there',
  );
}

function shardTasks(
  config: EngineConfig,
  memory: SharedMemory,
  clock: ShardTask['clock'],
  dataDir: DataDir | undefined,
): ShardTask[] {
  return Array.from({ length: memory.shards }, (_, shard) => ({
    shard,
    memory,
    clock,
    durability: config.durability,
    ordersMax: config.ordersPerShardMax,
    storePath: dataDir?.shardPath(shard) ?? '',
    restarted: false,
    storeId: dataDir?.storeId ?? '',
    flushDelayMs: config.flushDelayMs,
  }));
}
