/**
 * A single-producer, single-consumer ring of fixed-size records in shared memory. One thread holds the
 * producer, one the consumer. The cursors are free-running 32-bit counters, after Lamport's queue with cached
 * cursors (MCRingBuffer: Lee, Bu and Chandranmenon, "A Lock-Free, Cache-Efficient Shared Ring Buffer for Multi-Core
 * Architectures", ANCS 2009).
 */
import { assert } from '../assert.js';
import { ringLayout } from './layout.js';

const headWord = ringLayout.headByte / 4;
const tailWord = ringLayout.tailByte / 4;
const recordsWord = ringLayout.recordsByte / 4;

/** Memory for a ring of `capacity` records, a power of two. */
export function allocateRing(capacity: number, recordBytes: number): SharedArrayBuffer {
  assert(capacity >= 2 && (capacity & (capacity - 1)) === 0, 'a ring holds a power of two of records');
  return new SharedArrayBuffer(ringLayout.recordsByte + capacity * recordBytes);
}

/** What both ends share: the views and the arithmetic from cursor to record. */
class RingEnd {
  /** 32-bit view; record fields are at `at(...)` plus a word of the record's layout. */
  readonly words: Int32Array;
  /** 64-bit view; the index of a record's first f64 is half its word. */
  readonly doubles: Float64Array;
  readonly bytes: Buffer;
  readonly capacity: number;
  readonly #mask: number;
  readonly #recordWords: number;

  constructor(buffer: SharedArrayBuffer, recordBytes: number) {
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.bytes = Buffer.from(buffer);
    this.capacity = (buffer.byteLength - ringLayout.recordsByte) / recordBytes;
    assert(Number.isInteger(Math.log2(this.capacity)), 'a ring holds a power of two of records');
    this.#mask = this.capacity - 1;
    this.#recordWords = recordBytes / 4;
  }

  protected wordOf(cursor: number): number {
    return recordsWord + (cursor & this.#mask) * this.#recordWords;
  }
}

export class RingProducer extends RingEnd {
  #tail: number;
  #published: number;
  #headSeen: number;

  constructor(buffer: SharedArrayBuffer, recordBytes: number) {
    super(buffer, recordBytes);
    this.#tail = Atomics.load(this.words, tailWord);
    this.#published = this.#tail;
    this.#headSeen = Atomics.load(this.words, headWord);
  }

  /** Word of a free record for the caller to fill, or -1 when the ring is full. Not visible until `publish`. */
  claim(): number {
    if (((this.#tail - this.#headSeen) | 0) === this.capacity) {
      // The consumer may have released since: reload only now, so that a claim seldom touches its cache line.
      this.#headSeen = Atomics.load(this.words, headWord);
      if (((this.#tail - this.#headSeen) | 0) === this.capacity) return -1;
    }
    const word = this.wordOf(this.#tail);
    this.#tail = (this.#tail + 1) | 0;
    return word;
  }

  /** Makes every claimed record visible. Returns whether there was any. */
  publish(): boolean {
    if (this.#tail === this.#published) return false;
    // The store orders after the plain writes of the records: a consumer that loads this tail sees them whole.
    Atomics.store(this.words, tailWord, this.#tail);
    this.#published = this.#tail;
    return true;
  }

  /** Records that can be claimed now, by a fresh look at the consumer. */
  free(): number {
    this.#headSeen = Atomics.load(this.words, headWord);
    return this.capacity - ((this.#tail - this.#headSeen) | 0);
  }
}

export class RingConsumer extends RingEnd {
  #head: number;

  constructor(buffer: SharedArrayBuffer, recordBytes: number) {
    super(buffer, recordBytes);
    this.#head = Atomics.load(this.words, headWord);
  }

  /** Records that are visible and not released. */
  waiting(): number {
    // Pairs with the store in publish: records below the tail loaded here are complete.
    return (Atomics.load(this.words, tailWord) - this.#head) | 0;
  }

  /** Word of the i-th waiting record; valid until it is released. */
  at(i: number): number {
    return this.wordOf((this.#head + i) | 0);
  }

  /** Gives the first `count` waiting records back to the producer. */
  release(count: number): void {
    this.#head = (this.#head + count) | 0;
    // The store orders after our reads: the producer that loads this head may overwrite the records.
    Atomics.store(this.words, headWord, this.#head);
  }
}
