/**
 * The stock counters of every SKU, in shared memory. The owner shard writes a row; everyone else reads it. A
 * row's version makes the four counters one consistent reading (a seqlock: Lameter, "Effective Synchronization
 * on Linux/NUMA Systems", 2005).
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { stockLayout } from './layout.js';

/** One consistent reading: `available + held + confirmed === total`. Units. */
export interface Stock {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

const { rowWords, version, available, held, confirmed, total } = stockLayout;

/** A counter of a row that units can be moved between. */
export const Counter = { available, held, confirmed } as const;
export type Counter = (typeof Counter)[keyof typeof Counter];

export class StockTable {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(limits.skusMax * rowWords * 4);
  }

  /** Units that can be ordered right now. */
  available(row: number): number {
    return Atomics.load(this.#words, row * rowWords + available);
  }

  /** A consistent reading of a row, from any thread. */
  read(row: number): Stock {
    const words = this.#words;
    const base = row * rowWords;
    for (;;) {
      const before = Atomics.load(words, base + version);
      const stock = {
        total: Atomics.load(words, base + total),
        available: Atomics.load(words, base + available),
        held: Atomics.load(words, base + held),
        confirmed: Atomics.load(words, base + confirmed),
      };
      // An even version that did not move proves that no write overlapped the four loads.
      if ((before & 1) === 0 && Atomics.load(words, base + version) === before) return stock;
    }
  }

  /** Owner only. Moves units from one counter to another; the total stays. */
  move(row: number, from: Counter, to: Counter, quantity: number): void {
    const words = this.#words;
    const base = row * rowWords;
    // Odd: readers that overlap the two counter writes try again instead of seeing units missing or doubled.
    Atomics.add(words, base + version, 1);
    const before = Atomics.sub(words, base + from, quantity);
    assert(before >= quantity, 'a counter never goes below zero');
    Atomics.add(words, base + to, quantity);
    Atomics.add(words, base + version, 1);
  }

  /** Owner only. Adds units to the stock, or withdraws available ones where `quantity` is negative. */
  restock(row: number, quantity: number): void {
    const words = this.#words;
    const base = row * rowWords;
    Atomics.add(words, base + version, 1);
    const before = Atomics.add(words, base + available, quantity);
    assert(before + quantity >= 0, 'only available units are withdrawn');
    Atomics.add(words, base + total, quantity);
    Atomics.add(words, base + version, 1);
  }

  /** Owner only. Starts a row over with `quantity` units, all available. */
  reset(row: number, quantity: number): void {
    const words = this.#words;
    const base = row * rowWords;
    // Not an add: a former owner may have died between its two, and the version must come out even again.
    Atomics.or(words, base + version, 1);
    Atomics.store(words, base + available, quantity);
    Atomics.store(words, base + held, 0);
    Atomics.store(words, base + confirmed, 0);
    Atomics.store(words, base + total, quantity);
    Atomics.add(words, base + version, 1);
  }
}
