/**
 * One batch of entries on its way into the journal: written by the shard as it decides, sealed into a commit
 * record, and cleared. One buffer, reused; its size bounds a batch. The shard's thread owns it.
 *
 *   word 0   hash: SHA-256 over everything after it
 *   word 8   hash of the previous commit record
 *   word 16  format   word 17  commit number   word 18  entries   word 19  words of entries
 *   word 20  f64 time, ms since the epoch      word 22  f64 sequence of the first entry
 *   word 24  entries
 */
import { createHash } from 'node:crypto';
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { copyWords, textWords } from '../text.js';
import {
  acceptedLayout,
  controlledLayout,
  definedLayout,
  EntryType,
  entryHead,
  entryWordsMax,
  putDouble,
  removedLayout,
  restockedLayout,
  settledLayout,
} from './entry.js';

export const commitLayout = {
  hash: 0,
  previous: 8,
  format: 16,
  number: 17,
  count: 18,
  words: 19,
  timeMs: 20,
  firstSequence: 22,
  entries: 24,
} as const;

export const journalFormat = 1;
export const hashBytes = 32;
export const commitHeadBytes = commitLayout.entries * 4;

const entriesMax = limits.batchCountMax * limits.entriesPerRequestMax + limits.expiriesPerBatchMax;

/** The largest commit record, in bytes. */
export const commitBytesMax = commitHeadBytes + entriesMax * entryWordsMax * 4;

/** SHA-256 of a commit record without its own hash. */
export function commitHash(record: Uint8Array): Buffer {
  return createHash('sha256').update(record.subarray(hashBytes)).digest();
}

export class Batch {
  readonly #words = new Int32Array(commitLayout.entries + entriesMax * entryWordsMax);
  readonly #bytes = Buffer.from(this.#words.buffer);
  #end: number = commitLayout.entries;
  #count = 0;

  /** Entries written since the last clear. */
  get count(): number {
    return this.#count;
  }

  accepted(
    row: number,
    flags: number,
    quantity: number,
    orderNumber: number,
    sequence: number,
    texts: Int32Array,
    buyerAt: number,
    buyerBytes: number,
    keyAt: number,
    keyBytes: number,
  ): void {
    const words = this.#words;
    const at = this.#begin();
    const buyerWords = textWords(buyerBytes);
    const keyWords = textWords(keyBytes);
    const length = acceptedLayout.texts + buyerWords + keyWords;
    words[at] = entryHead(EntryType.accepted, length, quantity);
    words[at + acceptedLayout.sku] = row | (flags << 16);
    words[at + acceptedLayout.orderNumber] = orderNumber;
    words[at + acceptedLayout.sequence] = sequence;
    words[at + acceptedLayout.lengths] = buyerBytes | (keyBytes << 8);
    copyWords(texts, buyerAt, words, at + acceptedLayout.texts, buyerWords);
    copyWords(texts, keyAt, words, at + acceptedLayout.texts + buyerWords, keyWords);
    this.#advance(length);
  }

  settled(type: EntryType, orderNumber: number): void {
    const at = this.#begin();
    this.#words[at] = entryHead(type, settledLayout.words, 0);
    this.#words[at + settledLayout.orderNumber] = orderNumber;
    this.#advance(settledLayout.words);
  }

  restocked(row: number, quantity: number, texts: Int32Array, keyAt: number, keyBytes: number): void {
    const at = this.#begin();
    const keyWords = textWords(keyBytes);
    const length = restockedLayout.key + keyWords;
    this.#words[at] = entryHead(EntryType.restocked, length, 0);
    this.#words[at + restockedLayout.row] = row;
    this.#words[at + restockedLayout.quantity] = quantity;
    this.#words[at + restockedLayout.keyBytes] = keyBytes;
    copyWords(texts, keyAt, this.#words, at + restockedLayout.key, keyWords);
    this.#advance(length);
  }

  defined(
    given: {
      readonly row: number;
      readonly revision: number;
      readonly saleNumber: number;
      readonly total: number;
      readonly limitPerBuyer: number;
      readonly holdSeconds: number;
      readonly startsAtMs: number;
      readonly endsAtMs: number;
      readonly state: number;
      readonly spread: boolean;
    },
    texts: Int32Array,
    saleAt: number,
    saleBytes: number,
    skuAt: number,
    skuBytes: number,
  ): void {
    const words = this.#words;
    const at = this.#begin();
    const saleWords = textWords(saleBytes);
    const skuWords = textWords(skuBytes);
    const length = definedLayout.texts + saleWords + skuWords;
    words[at] = entryHead(EntryType.defined, length, given.state | (given.spread ? 0x100 : 0));
    words[at + definedLayout.row] = given.row;
    words[at + definedLayout.revision] = given.revision;
    words[at + definedLayout.saleNumber] = given.saleNumber;
    words[at + definedLayout.total] = given.total;
    words[at + definedLayout.limitPerBuyer] = given.limitPerBuyer;
    words[at + definedLayout.holdSeconds] = given.holdSeconds;
    putDouble(words, at + definedLayout.startsAtMs, given.startsAtMs);
    putDouble(words, at + definedLayout.endsAtMs, given.endsAtMs);
    words[at + definedLayout.lengths] = saleBytes | (skuBytes << 8);
    copyWords(texts, saleAt, words, at + definedLayout.texts, saleWords);
    copyWords(texts, skuAt, words, at + definedLayout.texts + saleWords, skuWords);
    this.#advance(length);
  }

  removed(row: number): void {
    const at = this.#begin();
    this.#words[at] = entryHead(EntryType.removed, removedLayout.words, 0);
    this.#words[at + removedLayout.row] = row;
    this.#advance(removedLayout.words);
  }

  controlled(saleNumber: number, state: number): void {
    const at = this.#begin();
    this.#words[at] = entryHead(EntryType.controlled, controlledLayout.words, state);
    this.#words[at + controlledLayout.saleNumber] = saleNumber;
    this.#advance(controlledLayout.words);
  }

  /** Where the next entry goes. */
  #begin(): number {
    assert(this.#count < entriesMax, 'a batch stays within its buffer');
    return this.#end;
  }

  #advance(words: number): void {
    this.#end += words;
    this.#count += 1;
  }

  /**
   * Closes the batch into a commit record that links to `previous`. The bytes are valid until the next entry
   * is written.
   */
  seal(number: number, timeMs: number, firstSequence: number, previous: Uint8Array): Buffer {
    const words = this.#words;
    this.#bytes.set(previous, commitLayout.previous * 4);
    words[commitLayout.format] = journalFormat;
    words[commitLayout.number] = number;
    words[commitLayout.count] = this.#count;
    words[commitLayout.words] = this.#end - commitLayout.entries;
    putDouble(words, commitLayout.timeMs, timeMs);
    putDouble(words, commitLayout.firstSequence, firstSequence);
    const record = this.#bytes.subarray(0, this.#end * 4);
    record.set(commitHash(record), 0);
    return record;
  }

  clear(): void {
    this.#end = commitLayout.entries;
    this.#count = 0;
  }
}
