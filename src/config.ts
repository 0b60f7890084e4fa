/**
 * Every limit of the engine, and the relations between them. Read by all threads at start; nothing here changes while the
 * engine runs. It imports next to nothing, because every shard that starts again waits for it.
 */
import { availableParallelism } from 'node:os';
import { assert } from './assert.js';

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
  /** A journal's tail is brought to LMDB when it has grown to this size. */
  tailBytesMax: 4 * 1024 * 1024,
  /** With durability `fsync`: after so long, too. Until then a start has to read it, and memory holds it. */
  tailDelayMs: 100,
  /** With durability `fsync` larger commits go to LMDB at once: to write them twice would take longer than its second flush. */
  flushedRecordBytesMax: 64 * 1024,
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
  /** How long the engine waits for the end of a shard's thread that takes no further task. */
  threadEndMsMax: 5_000,
  /** How often the engine looks at a shard that is starting: belt to the notification's braces. */
  shardOpenPollMs: 200,
  /** Of the malformed orders of a batch so many are told why: to find that out takes much longer than to place one. */
  malformedExplainedMax: 1_000,
  /** Bytes of bodies that one server keeps while the rest of them is on its way. */
  gatheredBytesMax: 64 * 1024 * 1024,
  /** Bytes of long answers that one server keeps for clients who read slowly. */
  unsentBytesMax: 64 * 1024 * 1024,
  /** Requests an acceptor writes before it publishes them: a shard starts on a batch while it is being written. */
  publishCountMax: 256,
  /** Requests of a turn for which shards are woken at once; fewer wait a turn for those that come after them. */
  requestsRungAtOnceMin: 24,
  /** A turn longer than this wakes shards at once: the next one may be as long. */
  patientTurnMsMax: 1,
  /** So many orders of a batch for the same SKU are let through, or refused, on one look at its stock. */
  admittedTogetherMax: 64,
  /** An answer up to so long is sent however many others wait for clients to read them: one per connection. */
  answerBytesAtOnceMax: 16 * 1024,
  /** Answers, on average, of which the last one looks whether its client has read the ones before. */
  unreadLookedForOf: 16,
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
  /** A change of which nobody knows whether it is on disk is looked for again after so long, and then twice as long. */
  settleRetryMs: 1_000,
  /** The longest between two looks for such a change. */
  settleRetryMsMax: 60_000,
  /** Changes to sales that may wait for the one under way. */
  controlPendingMax: 64,
  /** From so many waiting on a restock is refused: a flood of them leaves room for who wants to pause the sale. */
  restocksPendingMax: 48,
  /** The longest body that is recognised by the way it is written: a longer one takes as long to compare as to parse. */
  recognisedBodyBytesMax: 256,
  /** Ways of writing an order that a server keeps in mind. A body that is written in none of them was compared with all. */
  orderShapesMax: 4,
  /** Of bodies that are written in another way one in so many is taken as an example. */
  strangeBodiesPerLessonMin: 16,
  /** The same while no example is of use: a lesson takes as long as some ten bodies. */
  strangeBodiesPerLessonMax: 1_024,
  /** Finished HTTP orders whose objects a server keeps for the next ones. */
  idleExchangesMax: 4_096,
  /** Of all in-flight slots, batches leave one in so many to single requests and to the operator. */
  inFlightReservedShare: 8,
  /** A shard gets memory ready for the orders that its sales may bring, but not for more than so many: some 200 MB. */
  preparedOrdersMax: 1 << 21,
  /** Pages of memory, of 4 KiB, that a shard gets ready at a time: less than a millisecond also where pages are dear. */
  preparedPagesMax: 64,
  /** Requests that a shard looks ahead at together. */
  lookAheadLanes: 64,
  /** So many answers at once are between two rings of an acceptor's doorbell. A multiple of the lanes. */
  repliesPerRing: 256,
  /** A shard makes the hash of one new buyer in so many itself, and compares. A power of two. */
  hashCheckedOf: 32,
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
  /**
   * Young part of a shard's heap. A thread that reaches its limit is ended, and has 16 MiB more until then
   * (`Worker::NearHeapLimit` in Node.js's node_worker.cc); a collection that moves more than that out of the young part ends
   * the process.
   */
  shardYoungHeapMiB: 12,
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

/** When an order is acknowledged. By the number that records and the journal carry. */
export const durabilities = ['fsync', 'commit', 'memory'] as const;

export type Durability = (typeof durabilities)[number];

assert(limits.shardsMax <= 0xff, 'a shard fits a byte of an order id and of the in-flight table');
assert(limits.quantityMax <= 0xffff, 'a quantity fits the order record');
assert(limits.stockRowsMax <= 1 << 16, 'a stock row fits the order record');
assert(limits.skusPerSaleMax <= limits.skusMax, 'the largest sale fits the engine');
assert(
  limits.skuIdBytesMax + limits.buyerBytesMax < limits.recognisedBodyBytesMax &&
    limits.recognisedBodyBytesMax <= limits.orderBodyBytesMax,
  'an order with the longest names is recognised, and nothing that is no order',
);
assert(limits.restocksPendingMax < limits.controlPendingMax, 'restocks leave room for other changes');
assert(limits.skusMax <= limits.stockRowsMax, 'every SKU has a stock row');
assert(limits.repliesPerRing % limits.lookAheadLanes === 0, 'a ring comes after whole groups');
assert(limits.controlWindow <= limits.inFlightMin, 'a window fits in flight');
assert(limits.stockMax < 2 ** 31, 'a counter fits an Int32');
assert(limits.shardRetryMsMin <= limits.shardRetryMsMax, 'pauses between restarts grow to their limit');
assert(
  limits.settleRetryMs <= limits.settleRetryMsMax,
  'pauses between looks for a change grow to their limit',
);
assert(limits.recoveryPieceMs <= limits.recoveryPauseMsMax, 'a pause may be as long as the piece before it');
