/**
 * Idempotency keys of one shard, exact, in shared memory: open addressing over an arena of immutable entries.
 * The owner shard writes; the other shards look keys up, because a key is scoped to sale and buyer while the
 * SKUs of one sale have several owners.
 *
 *   word 0          arena words used
 *   word 32 …       slots: word of an entry in the arena, 0 for free; a power of two of them
 *   arena           entries, appended: sale number | buyer bytes, key bytes << 8 | reference | hash | buyer | key
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { copyWords, sameWords, textWords } from '../text.js';

const slotsWord = 32;
const entry = { saleNumber: 0, lengths: 1, reference: 2, hash: 3, texts: 4 } as const;
const entryWordsMax =
  entry.texts + textWords(limits.buyerBytesMax) + textWords(limits.idempotencyKeyBytesMax);
/** Arena words reserved per key: an entry with a buyer and a key of 32 bytes each. */
const entryWordsReserved = entry.texts + 8 + 8;

/** What a key is looked up by. One object is reused for every look-up of a thread. */
export interface KeyQuery {
  saleNumber: number;
  buyerBytes: number;
  keyBytes: number;
  /** Hash over sale number, buyer and key, with the process's seed. */
  hash: number;
  words: Int32Array;
  /** Word of the buyer and of the key in `words`. */
  buyerAt: number;
  keyAt: number;
}

export class KeyTable {
  readonly #words: Int32Array;
  readonly #slotMask: number;
  readonly #arena: number;
  readonly #keysMax: number;
  #count = 0;
  #insertedSlot = 0;

  constructor(buffer: SharedArrayBuffer, keysMax: number) {
    this.#words = new Int32Array(buffer);
    const slots = slotsFor(keysMax);
    this.#keysMax = keysMax;
    this.#slotMask = slots - 1;
    this.#arena = slotsWord + slots;
  }

  static allocate(keysMax: number): SharedArrayBuffer {
    return new SharedArrayBuffer((slotsWord + slotsFor(keysMax) + keysMax * entryWordsReserved) * 4);
  }

  /** Owner only. Forgets everything, before the owner rebuilds the table from its store. */
  clear(): void {
    this.#words.fill(0, slotsWord, this.#arena);
    this.#words[0] = 0;
    this.#count = 0;
  }

  /** The reference stored with a key, or -1. Any thread. */
  find(query: KeyQuery): number {
    const words = this.#words;
    const lengths = query.buyerBytes | (query.keyBytes << 8);
    const buyerWords = textWords(query.buyerBytes);
    const keyWords = textWords(query.keyBytes);
    for (let i = query.hash & this.#slotMask; ; i = (i + 1) & this.#slotMask) {
      // Pairs with the store in insert: an entry whose slot is visible is complete, and it never changes.
      const at = Atomics.load(words, slotsWord + i);
      if (at === 0) return -1;
      if (
        words[at + entry.hash] === query.hash &&
        words[at + entry.saleNumber] === query.saleNumber &&
        words[at + entry.lengths] === lengths &&
        sameWords(words, at + entry.texts, query.words, query.buyerAt, buyerWords) &&
        sameWords(words, at + entry.texts + buyerWords, query.words, query.keyAt, keyWords)
      ) {
        return words[at + entry.reference]!;
      }
    }
  }

  /** Owner only. Whether one more key fits. */
  hasRoom(): boolean {
    // Both: short keys would fill the slots before the arena, and a full table would be searched for ever.
    return this.#count < this.#keysMax && this.#arena + this.#words[0]! + entryWordsMax <= this.#words.length;
  }

  /** Owner only. Adds a key that is not there. */
  insert(query: KeyQuery, reference: number): void {
    const words = this.#words;
    assert(this.hasRoom(), 'room for a key was checked');
    const at = this.#arena + words[0]!;
    const buyerWords = textWords(query.buyerBytes);
    const keyWords = textWords(query.keyBytes);
    words[at + entry.saleNumber] = query.saleNumber;
    words[at + entry.lengths] = query.buyerBytes | (query.keyBytes << 8);
    words[at + entry.reference] = reference;
    words[at + entry.hash] = query.hash;
    copyWords(query.words, query.buyerAt, words, at + entry.texts, buyerWords);
    copyWords(query.words, query.keyAt, words, at + entry.texts + buyerWords, keyWords);
    words[0] = words[0]! + entry.texts + buyerWords + keyWords;
    let i = query.hash & this.#slotMask;
    while (words[slotsWord + i] !== 0) i = (i + 1) & this.#slotMask;
    this.#insertedSlot = i;
    this.#count += 1;
    // Publishes the entry. Sequentially consistent, so that of two shards that insert the same key and then look
    // at each other's tables at least one sees the other.
    Atomics.store(words, slotsWord + i, at);
  }

  /** Owner only. Takes the last insert back. Its entry stays in the arena, where a reader may still be at it. */
  retractLast(): void {
    this.#count -= 1;
    Atomics.store(this.#words, slotsWord + this.#insertedSlot, 0);
  }
}

/** Slots for `keysMax` keys at a load of at most a half. */
function slotsFor(keysMax: number): number {
  return 2 ** Math.ceil(Math.log2(keysMax * 2));
}
