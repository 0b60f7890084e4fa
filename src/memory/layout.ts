/**
 * Every shared byte, drawn. All offsets below come from here and nowhere else. Numbers are little-endian,
 * as every platform we run on is; words are 32 bits.
 *
 *   ring            one SharedArrayBuffer per (acceptor, shard) and direction
 *     +0     head   next record to drain; written by the consumer only
 *     +128   tail   next record to claim; written by the producer only
 *     +256   records, each recordBytes long; record n lives in slot n mod capacity
 *
 *   request record (192 bytes)                 reply record (128 bytes)
 *     word 0   opcode                            word 0   outcome
 *     word 1   slot         ┐ correlation id     word 1   slot         ┐ correlation id
 *     word 2   generation   ┘                    word 2   generation   ┘
 *     word 3   stock row                         word 3   stock row
 *     word 4   revision of the sale              word 4   order number
 *     word 5   quantity, or total stock          word 5   quantity
 *     word 6   text bytes | key bytes << 8       word 6   buyer bytes
 *                | sale state << 16, as the asker knows it
 *     word 7   order number, or hash of the      word 7   sequence
 *                buyer for whom an order is placed
 *     byte 32  text: buyer, or sale id           word 8   f64 createdAtMs
 *     byte 96  key: idempotency key, or SKU id   word 10  f64 expiresAtMs, Infinity for none
 *     word 40  f64 startsAtMs                    word 12  status | durability << 8 | reacquired << 16
 *     word 42  f64 endsAtMs                      byte 64  buyer
 *     word 44  holdSeconds
 *     word 45  limitPerBuyer
 *     word 46  sale number
 *     word 47  sale state | spread << 8
 *
 *   An order by a buyer of up to 32 bytes, and the reply to it, take 64 bytes each, because every cache line that
 *   crosses from one core to another costs. That is a line each, or two where the allocator begins a buffer within
 *   a line: glibc's begins large ones 16 bytes after a line's beginning.
 *
 *   stock row (128 bytes), written by the owner shard only
 *     word 0   version: changes so far; its lowest bit says which of two copies counts
 *     word 4   copy 0: available, confirmed, total      (held is the rest)
 *     word 8   copy 1: the same
 *
 *   thread line (128 bytes), one per shard and one per acceptor
 *     word 0   doorbell: 1 while the thread is parked
 *     word 1   state of a shard   word 2  stop flag of a shard   word 3  busy flag of a shard (in a flush)
 *     word 4   incarnation of a shard: how many times it was started
 *     word 5   whether a shard's key table is whole, which it is not while a successor rebuilds it
 *     word 6   f64 time of the newest commit in a shard's store, ms since the epoch
 *     word 8   newest revision of a sale in a shard's store
 *     word 9   whether a shard that has read its store may write to it: set once, when the engine starts
 *
 * Cursors and rows stand 128 bytes apart: two cache lines, because x86 prefetches lines in pairs.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';

const lineBytes = 128;

export const ringLayout = {
  headByte: 0,
  tailByte: lineBytes,
  recordsByte: 2 * lineBytes,
} as const;

export const requestLayout = {
  bytes: 192,
  opcode: 0,
  slot: 1,
  generation: 2,
  row: 3,
  revision: 4,
  quantity: 5,
  lengths: 6,
  orderNumber: 7,
  buyerHash: 7,
  text: 8,
  key: 24,
  /** Index in the f64 view, relative to the record's first f64. */
  startsAtMs: 20,
  endsAtMs: 21,
  holdSeconds: 44,
  limitPerBuyer: 45,
  saleNumber: 46,
  saleState: 47,
} as const;

export const replyLayout = {
  bytes: 128,
  outcome: 0,
  slot: 1,
  generation: 2,
  row: 3,
  orderNumber: 4,
  quantity: 5,
  buyerBytes: 6,
  sequence: 7,
  /** Index in the f64 view, relative to the record's first f64. */
  createdAtMs: 4,
  expiresAtMs: 5,
  status: 12,
  buyer: 16,
} as const;

export const stockLayout = {
  rowWords: lineBytes / 4,
  /** Changes so far; its lowest bit says which copy counts. */
  version: 0,
  /** Two copies of the counters. */
  copies: 4,
  copyWords: 4,
  available: 0,
  confirmed: 1,
  total: 2,
} as const;

export const threadLayout = {
  lineWords: lineBytes / 4,
  doorbell: 0,
  state: 1,
  stop: 2,
  busy: 3,
  incarnation: 4,
  keysWhole: 5,
  /** Index in the f64 view, relative to the line's first f64. */
  lastTimeMs: 3,
  newestRevision: 8,
  mayWrite: 9,
} as const;

/** Text fields are compared and copied by whole words, so their room is counted in words. */
export const textWordsMax = 16;

assert(requestLayout.bytes % 8 === 0 && replyLayout.bytes % 8 === 0, 'records keep f64 fields aligned');
assert(requestLayout.text * 4 === 32 && requestLayout.key * 4 === 96, 'texts start at the drawn bytes');
assert(stockLayout.total < stockLayout.copyWords, 'a copy of a stock row has all its counters');
assert(stockLayout.copies + 2 * stockLayout.copyWords <= stockLayout.rowWords, 'both copies fit a stock row');
assert(requestLayout.text + textWordsMax === requestLayout.key, 'the key follows the text');
assert(requestLayout.key + textWordsMax === requestLayout.startsAtMs * 2, 'the f64 fields follow the key');
assert(requestLayout.endsAtMs * 2 + 2 === requestLayout.holdSeconds, 'request words follow the f64 fields');
assert(requestLayout.saleState + 1 === requestLayout.bytes / 4, 'the sale state ends a request record');
assert(replyLayout.createdAtMs * 2 > replyLayout.sequence, 'reply f64 fields follow the words');
assert(replyLayout.expiresAtMs * 2 + 2 === replyLayout.status, 'reply words follow the f64 fields');
assert(replyLayout.buyer + textWordsMax === replyLayout.bytes / 4, 'a reply record ends with its buyer');
for (const bytes of [
  limits.buyerBytesMax,
  limits.idempotencyKeyBytesMax,
  limits.saleIdBytesMax,
  limits.skuIdBytesMax,
]) {
  assert(bytes <= textWordsMax * 4, 'a text fits its field');
}
