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
 *     word 7   order number                      word 7   sequence
 *     word 8   f64 startsAtMs                    word 8   f64 createdAtMs
 *     word 10  f64 endsAtMs                      word 10  f64 expiresAtMs, Infinity for none
 *     word 12  holdSeconds                       word 12  status
 *     word 13  limitPerBuyer                     byte 64  buyer
 *     word 14  sale number
 *     word 15  sale state
 *     byte 64  text: buyer, or sale id
 *     byte 128 key: idempotency key, or SKU id
 *
 *   stock row (128 bytes), written by the owner shard only
 *     word 0   version: odd while the row is being written
 *     word 1   available   word 2  held   word 3  confirmed   word 4  total
 *
 *   thread line (128 bytes), one per shard and one per acceptor
 *     word 0   doorbell: 1 while the thread is parked
 *     word 1   state of a shard   word 2  stop flag of a shard   word 3  busy flag of a shard (in a flush)
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
  /** Index in the f64 view, relative to the record's first f64. */
  startsAtMs: 4,
  endsAtMs: 5,
  holdSeconds: 12,
  limitPerBuyer: 13,
  saleNumber: 14,
  saleState: 15,
  text: 16,
  key: 32,
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
  version: 0,
  available: 1,
  held: 2,
  confirmed: 3,
  total: 4,
} as const;

export const threadLayout = {
  lineWords: lineBytes / 4,
  doorbell: 0,
  state: 1,
  stop: 2,
  busy: 3,
} as const;

/** Text fields are compared and copied by whole words, so their room is counted in words. */
export const textWordsMax = 16;

assert(requestLayout.bytes % 8 === 0 && replyLayout.bytes % 8 === 0, 'records keep f64 fields aligned');
assert(requestLayout.text * 4 === 64 && requestLayout.key * 4 === 128, 'texts start at the drawn bytes');
assert(requestLayout.key + textWordsMax === requestLayout.bytes / 4, 'a request record ends with its key');
assert(replyLayout.buyer + textWordsMax === replyLayout.bytes / 4, 'a reply record ends with its buyer');
assert(requestLayout.startsAtMs * 2 > requestLayout.orderNumber, 'request f64 fields follow the words');
assert(requestLayout.endsAtMs * 2 + 2 === requestLayout.holdSeconds, 'request words follow the f64 fields');
assert(replyLayout.createdAtMs * 2 > replyLayout.sequence, 'reply f64 fields follow the words');
assert(replyLayout.expiresAtMs * 2 + 2 === replyLayout.status, 'reply words follow the f64 fields');
for (const bytes of [
  limits.buyerBytesMax,
  limits.idempotencyKeyBytesMax,
  limits.saleIdBytesMax,
  limits.skuIdBytesMax,
]) {
  assert(bytes <= textWordsMax * 4, 'a text fits its field');
}
