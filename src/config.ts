/**
 * Every option with its default, every limit of the engine, and the relations between them. Read by all threads at
 * start; nothing here changes while the engine runs.
 */
import { availableParallelism } from 'node:os';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { assert } from './assert.js';
import { LeiniaoError } from './errors.js';
import { describeIssues, issuesOf, type Validator } from './validation.js';

/** What is bounded, and by how much. Not options: many are part of the contract, of a byte layout or of a file's format. */
export const limits = {
  saleIdBytesMax: 64,
  skuIdBytesMax: 64,
  buyerBytesMax: 64,
  idempotencyKeyBytesMax: 64,
  saleNameBytesMax: 256,
  quantityMax: 1_000,
  stockMax: 2_000_000_000,
  limitPerBuyerMax: 1_000_000,
  holdSecondsMax: 30 * 24 * 3600,
  skusPerSaleMax: 1_024,
  /** In sales that are not over, at a time. */
  skusMax: 4_096,
  /** Stock rows: the SKUs of sales that are over keep theirs, and with them their counters. */
  stockRowsMax: 1 << 16,
  shardsMax: 128,
  ordersPerShardMax: 1 << 24,
  /** Orders of one batch, which is kept in memory with its outcomes: as many as a shard can hold. */
  batchOrdersMax: 1 << 24,
  orderBodyBytesMax: 4 * 1024,
  saleBodyBytesMax: 1024 * 1024,
  ordersPerListMax: 1_000,
  /** The longest receipt that is read; the longest that is written is shorter. */
  receiptCharsMax: 2 * 1024,
  /** Around a receipt on standard input: line ends, and what an editor may leave there. */
  receiptSpaceBytesMax: 1024,
  /** A private or public key as PEM text. One of Ed25519 has about 120 characters, and may have comments above it. */
  keyPemCharsMax: 16 * 1024,
  /** Listings under way at a time: each asks its shards for one order after the other. */
  listsMax: 64,
  /** Room that must be free on a store's disk beside what is about to be written to it. */
  storeRoomBytes: 256 * 1024,
  /** Sealed commits wait in memory for LMDB up to this size; then they are flushed without waiting longer. */
  storePendingBytesMax: 4 * 1024 * 1024,
  /**
   * Written to a data folder and removed at start: a full or read-only disk is better found then than at the first
   * order. It covers the first pages of every store, because LMDB crashes the process when its first write is cut short.
   */
  probeBytes: 256 * 1024,
  probeBytesPerShard: 64 * 1024,
  /** So many transactions of a journal are between two looks for readers, such as an audit, that have died. */
  readerCheckAppends: 256,
  /** Address space that LMDB begins with; it takes more when a file outgrows it. */
  storeMapBytes: 2 ** 36,
  /** Files that the process must be able to open before LMDB opens its own three. */
  descriptorsSpare: 8,
  /** A database that is being written may look damaged for an instant: how often it is looked at before it counts as such. */
  snapshotChecksMax: 10,
  snapshotCheckPauseMs: 20,
  /** An export hands on its rows in texts of about so many characters. */
  exportChunkChars: 64 * 1024,
  /** How often the engine looks at a shard that is starting: belt to the notification's braces. */
  shardOpenPollMs: 200,
  /** Bytes of bodies that one server keeps while the rest of them is on its way. */
  gatheredBytesMax: 64 * 1024 * 1024,
  /** Bytes of long answers that one server keeps for clients who read slowly. */
  unsentBytesMax: 64 * 1024 * 1024,
  /** Requests an acceptor writes before it publishes them: a shard starts on a batch while it is being written. */
  publishCountMax: 256,
  /** Characters of an answer that are handed over at once; of a longer one only as much as the client takes. */
  answerCharsAtOnceMax: 16 * 1024,
  /** Turns of an acceptor's event loop without a reply before it stops polling and waits for the doorbell. */
  replyPollTurnsMax: 8,
  /** Belt to the doorbell's braces, for acceptors. */
  replyWaitMsMax: 100,
  /** How often an acceptor looks for requests past their deadline. */
  replySweepMs: 50,
  /** Batches and operator's commands that may wait for room in the in-flight table. */
  waitersMax: 1_024,
  /** A shard that could not be told that a replacement came to nothing is told again after so long. */
  unfreezeRetryMs: 100,
  /** Changes to sales that may wait for the one under way. */
  controlPendingMax: 64,
  /** From so many waiting on a restock is refused: a flood of them leaves room for who wants to pause the sale. */
  restocksPendingMax: 48,
  /** Of all in-flight slots, batches leave one in so many to single requests and to the operator. */
  inFlightReservedShare: 8,
  /** Requests that a shard looks ahead at together. */
  lookAheadLanes: 32,
  /** So many answers at once are between two rings of an acceptor's doorbell. A multiple of the lanes. */
  repliesPerRing: 256,
  /** The least an acceptor's in-flight table may hold. */
  inFlightMin: 256,
  /** How long a shard may take for an operator's command: longer than any flush. */
  controlReplyMsMax: 10_000,
  /** Commands of one change that are in flight at a time. */
  controlWindow: 128,
  /** Records a shard takes from its rings before it commits: bounds a batch's size and its latency. */
  batchCountMax: 4_096,
  /** Journal entries that one request leads to at most: a confirmation that comes late ends the hold and takes it again. */
  entriesPerRequestMax: 2,
  /** Expired holds released in one batch, so that a wave of deadlines cannot starve the buyers. */
  expiriesPerBatchMax: 4_096,
  /** Belt to the doorbell's braces: a parked thread looks again after this long even if nobody rang. */
  parkMsMax: 1_000,
  /** A shard whose acceptor has not drained its replies looks again after this long: draining rings no bell. */
  replyRoomPollMs: 1,
  /** A failed shard is started again after this long, and after twice as long with every further failure in a row. */
  shardRetryMsMin: 50,
  shardRetryMsMax: 10_000,
  /** A shard that recovers while others sell works for so long at a time, and then makes room for them. */
  recoveryPieceMs: 1,
  /** The longest pause it makes: a piece that waited for the disk is no reason to wait as long again. */
  recoveryPauseMsMax: 20,
  /** A shard that ran for so long starts a new row of failures. */
  shardSteadyMs: 60_000,
  holdSecondsDefault: 300,
  /** A machine's clock that is further behind its data folder is worth a line in the log. */
  clockAheadMsNoted: 1_000,
} as const;

const cores = availableParallelism();

/** Shards when none are asked for: every core but the acceptor's. */
export const shardsDefault = Math.min(limits.shardsMax, Math.max(1, cores - 1));

export const EngineOptionsSchema = Type.Object(
  {
    dataDir: Type.String({
      minLength: 1,
      default: './leiniao-data',
      description: 'Folder of the store; made if missing. Not used with durability "memory".',
    }),
    durability: Type.Enum(['fsync', 'commit', 'memory'], {
      default: 'fsync',
      description: 'When an order is acknowledged: on disk, handed to the operating system, or decided.',
    }),
    shards: Type.Integer({
      minimum: 1,
      maximum: limits.shardsMax,
      default: shardsDefault,
      description: 'Threads that own SKUs. An existing data folder keeps the number it was made with.',
    }),
    inFlightMax: Type.Integer({
      minimum: limits.inFlightMin,
      maximum: 65_536,
      default: 8_192,
      description: 'Requests admitted and not yet answered, per acceptor; beyond it: overloaded.',
    }),
    ordersPerShardMax: Type.Integer({
      minimum: 1_024,
      maximum: limits.ordersPerShardMax,
      default: 1 << 23,
      description: 'Orders one shard can hold, of any status; beyond it: overloaded.',
    }),
    replyDeadlineMs: Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 5_000,
      description: 'How long a buyer waits for a shard before the answer is timeout.',
    }),
    flushDelayMs: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 10,
      description: 'With durability "commit": the longest an acknowledged order waits for the disk.',
    }),
    receiptKey: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.keyPemCharsMax,
        description: 'Ed25519 private key (PEM text, PKCS#8) that signs a receipt for every order.',
      }),
    ),
    shardHeapMiBMax: Type.Integer({
      minimum: 16,
      maximum: 65_536,
      default: 1_024,
      description:
        'JavaScript heap of one shard; beyond it the shard is started again. Its tables are not in it.',
    }),
  },
  { additionalProperties: false },
);

export type EngineConfig = Type.Static<typeof EngineOptionsSchema>;

/** What `Engine.start` takes: every option has a default. */
export type EngineOptions = Partial<EngineConfig>;

export type Durability = EngineConfig['durability'];

/** The durabilities by the number that records and the journal carry. */
export const durabilities = ['fsync', 'commit', 'memory'] as const satisfies readonly Durability[];

export const ListenOptionsSchema = Type.Object(
  {
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on; `leiniao serve` takes loopback addresses only.',
    }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 7070,
      description: 'Port to listen on; 0 takes a free one.',
    }),
    shutdownDeadlineMs: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 10_000,
      description: 'How long a shutdown waits for what is in flight.',
    }),
  },
  { additionalProperties: false },
);

export type ListenConfig = Type.Static<typeof ListenOptionsSchema>;

/** What `engine.listen` takes: every option has a default. */
export type ListenOptions = Partial<ListenConfig>;

interface Schema {
  readonly properties: Readonly<Record<string, object>>;
}

/** The defaults a schema declares, by property. An option without one is off until it is given. */
export function defaultsOf(schema: Schema): Record<string, unknown> {
  const defaults: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = (property as { default?: unknown }).default;
    if (value !== undefined) defaults[name] = value;
  }
  return defaults;
}

const engineOptions = Compile(EngineOptionsSchema) as Validator<EngineConfig>;
const listenOptions = Compile(ListenOptionsSchema) as Validator<ListenConfig>;

function resolve<T>(schema: Schema, validator: Validator<T>, given: object): T {
  const defined = Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined));
  const merged: unknown = { ...defaultsOf(schema), ...defined };
  if (validator.Check(merged)) return merged;
  const issues = issuesOf(validator, merged);
  throw new LeiniaoError('invalid_options', `invalid options: ${describeIssues(issues)}`, { issues });
}

/** Engine options with defaults filled in. Throws `invalid_options`, naming each wrong path. */
export function resolveEngineOptions(given: EngineOptions): EngineConfig {
  return resolve(EngineOptionsSchema, engineOptions, given);
}

/** Listen options with defaults filled in. Throws `invalid_options`, naming each wrong path. */
export function resolveListenOptions(given: ListenOptions): ListenConfig {
  return resolve(ListenOptionsSchema, listenOptions, given);
}

assert(limits.shardsMax <= 0xff, 'a shard fits a byte of an order id and of the in-flight table');
assert(limits.quantityMax <= 0xffff, 'a quantity fits the order record');
assert(limits.stockRowsMax <= 1 << 16, 'a stock row fits the order record');
assert(limits.skusPerSaleMax <= limits.skusMax, 'the largest sale fits the engine');
assert(limits.restocksPendingMax < limits.controlPendingMax, 'restocks leave room for other changes');
assert(limits.skusMax <= limits.stockRowsMax, 'every SKU has a stock row');
assert(limits.repliesPerRing % limits.lookAheadLanes === 0, 'a ring comes after whole groups');
assert(limits.controlWindow <= limits.inFlightMin, 'a window fits in flight');
assert(limits.stockMax < 2 ** 31, 'a counter fits an Int32');
assert(limits.shardRetryMsMin <= limits.shardRetryMsMax, 'pauses between restarts grow to their limit');
assert(limits.recoveryPieceMs <= limits.recoveryPauseMsMax, 'a pause may be as long as the piece before it');
