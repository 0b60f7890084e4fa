/**
 * Journal entries: every accepted command, as words. A batch's entries follow one another; each starts with its
 * type and its own length, so that a reader can step over what it does not need. Pure.
 *
 *   word 0   type | words << 8 | small << 16      small: flags or quantity, by type
 *
 *   accepted   0 … | row | flags << 16   order number   sequence   buyer bytes | key bytes << 8   buyer   key
 *              (small = quantity; flags bits 0–1 the durability mode, bit 2 born confirmed)
 *   confirmed, cancelled, expired, reacquired   order number
 *   restocked  row   quantity (signed)   key bytes   key
 *   defined    row   revision   sale number   total   limitPerBuyer   holdSeconds   f64 startsAtMs
 *              f64 endsAtMs   sale id bytes | SKU id bytes << 8   sale id   SKU id
 *              (small = sale state | spread << 8)
 *   removed    row
 *   controlled sale number               (small = sale state)
 */
import { assert, unreachable } from '../assert.js';
import { Status } from '../sale/order-state.js';

export const EntryType = {
  accepted: 1,
  confirmed: 2,
  cancelled: 3,
  expired: 4,
  restocked: 5,
  defined: 6,
  removed: 7,
  controlled: 8,
  reacquired: 9,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** Bits of an accepted entry's flags that name the durability mode, and the bit of an order born confirmed. */
export const durabilityMask = 3;
export const bornConfirmed = 4;

/** The largest entry: a definition with two texts of 64 bytes. */
export const entryWordsMax = 12 + 16 + 16;

export const acceptedLayout = { sku: 1, orderNumber: 2, sequence: 3, lengths: 4, texts: 5 } as const;
export const settledLayout = { orderNumber: 1, words: 2 } as const;
export const restockedLayout = { row: 1, quantity: 2, keyBytes: 3, key: 4 } as const;
export const definedLayout = {
  row: 1,
  revision: 2,
  saleNumber: 3,
  total: 4,
  limitPerBuyer: 5,
  holdSeconds: 6,
  startsAtMs: 7,
  endsAtMs: 9,
  lengths: 11,
  texts: 12,
} as const;
export const removedLayout = { row: 1, words: 2 } as const;
export const controlledLayout = { saleNumber: 1, words: 2 } as const;

/** Packs word 0. */
export function entryHead(type: EntryType, words: number, small: number): number {
  return type | (words << 8) | (small << 16);
}

export function entryType(head: number): EntryType {
  return (head & 0xff) as EntryType;
}

export function entryWords(head: number): number {
  return (head >>> 8) & 0xff;
}

export function entrySmall(head: number): number {
  return head >>> 16;
}

/** The entry type that records an order's arrival at a status. */
export function entryTypeOf(status: Status): EntryType {
  assert(status !== Status.held, 'an order becomes held only by being accepted');
  switch (status) {
    case Status.confirmed:
      return EntryType.confirmed;
    case Status.cancelled:
      return EntryType.cancelled;
    case Status.expired:
      return EntryType.expired;
    default:
      return unreachable(status);
  }
}

const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);

/** Writes an f64 at a word that need not be 8-byte aligned. */
export function putDouble(words: Int32Array, at: number, value: number): void {
  scratch[0] = value;
  words[at] = scratchWords[0]!;
  words[at + 1] = scratchWords[1]!;
}

/** Reads an f64 at a word that need not be 8-byte aligned. */
export function getDouble(words: Int32Array, at: number): number {
  scratchWords[0] = words[at]!;
  scratchWords[1] = words[at + 1]!;
  return scratch[0]!;
}

assert(entryWordsMax <= 0xff, 'the length of an entry fits its head');
