/**
 * The stock counters of every SKU, in shared memory. The owner shard writes a row; everyone else reads it.
 *
 * The owner decides on counters of its own and publishes them here once per group of orders. Three are kept and the
 * fourth is derived, `held = total - available - confirmed`: so units that were held are one atomic subtraction, and
 * promise 1 holds in whatever a reader sees. A change of more than one counter is guarded by a version (a seqlock:
 * Lameter, "Effective Synchronization on Linux/NUMA Systems", 2005).
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

const { rowWords, version, available, confirmed, total } = stockLayout;

export class StockTable {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(limits.stockRowsMax * rowWords * 4);
  }

  /** Units that can be ordered right now. */
  available(row: number): number {
    return Atomics.load(this.#words, row * rowWords + available);
  }

  /** A consistent reading of a row, from any thread. */
  read(row: number): Stock {
    const words = this.#words;
    const base = row * rowWords;
    for (let attempt = 1; ; attempt++) {
      const before = Atomics.load(words, base + version);
      const sold = Atomics.load(words, base + confirmed);
      const units = Atomics.load(words, base + total);
      const left = Atomics.load(words, base + available);
      // An even version that did not move proves that no change of more than one counter overlapped the loads; and
      // of a change of `available` alone either value is right.
      const whole = (before & 1) === 0 && Atomics.load(words, base + version) === before;
      // A writer that has just died in between has left the version odd.
      if (whole || attempt === limits.stockReadsMax) {
        return { total: units, available: left, held: units - left - sold, confirmed: sold };
      }
    }
  }

  /**
   * Owner only. Moves a row from what the owner published last to what it knows now. Units that went into holds are
   * one atomic subtraction; anything more is done under the version.
   */
  publish(row: number, before: Stock, now: Stock): void {
    const words = this.#words;
    const base = row * rowWords;
    assert(now.available >= 0, 'a stock row never goes below zero');
    const more = before.total !== now.total || before.confirmed !== now.confirmed;
    if (more) this.#open(base);
    const found = Atomics.sub(words, base + available, before.available - now.available);
    if (more) {
      Atomics.add(words, base + confirmed, now.confirmed - before.confirmed);
      Atomics.add(words, base + total, now.total - before.total);
      this.#close(base);
    }
    // Last, so that a writer who stops here leaves no reader waiting for an even version.
    assert(found === before.available, 'a stock row has one writer');
  }

  /** Owner only. Writes a row outright, whatever it held. */
  reset(row: number, now: Stock): void {
    const words = this.#words;
    const base = row * rowWords;
    this.#open(base);
    Atomics.store(words, base + available, now.available);
    Atomics.store(words, base + confirmed, now.confirmed);
    Atomics.store(words, base + total, now.total);
    this.#close(base);
  }

  /**
   * Ends the change that a row's owner was at when its thread died, so that readers need not wait for it. Only when the
   * thread is gone. What the row says then may be half of the change, until a successor writes it outright.
   */
  mend(row: number): void {
    const base = row * rowWords;
    if ((Atomics.load(this.#words, base + version) & 1) === 1) this.#close(base);
  }

  /** Makes the version odd: readers that overlap what follows try again. */
  #open(base: number): void {
    // Not an add: a former owner may have died before its close, and the version must come out even again.
    Atomics.or(this.#words, base + version, 1);
  }

  #close(base: number): void {
    Atomics.add(this.#words, base + version, 1);
  }
}
