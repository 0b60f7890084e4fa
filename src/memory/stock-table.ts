/**
 * The stock counters of every SKU, in shared memory. The owner shard writes a row; everyone else reads it.
 *
 * The owner decides on counters of its own and publishes them here once per group of orders. Three are kept and the
 * fourth is derived, `held = total - available - confirmed`: so units that were held are one atomic subtraction, and
 * `available + held + confirmed === total` in whatever a reader sees. Of each row there are two copies, and the lowest bit of its version says
 * which one counts: a change of more than one counter is made in the other one, and then that counts. So nobody waits
 * for a writer, were he stopped or dead in the middle of a change (double buffering; a reader that was overtaken by two
 * changes sees it by the version and reads again, as with a seqlock: Lameter, "Effective Synchronization on Linux/NUMA
 * Systems", 2005).
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

const { rowWords, version, copies, copyWords, available, confirmed, total } = stockLayout;

export class StockTable {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(limits.stockRowsMax * rowWords * 4);
  }

  /** Units that could be ordered a moment ago. */
  available(row: number): number {
    const words = this.#words;
    const base = row * rowWords;
    // Overtaken or not, what stands here was right a moment ago: so these are plain reads, which V8 makes in place, where it
    // calls a function for an atomic one. A word is read in one piece all the same; and who has learned of a change through a
    // ring finds it here, because the ring's cursor was loaded atomically before this.
    return words[copyAt(base, words[base + version]!) + available]!;
  }

  /** A consistent reading of a row, from any thread. */
  read(row: number): Stock {
    const words = this.#words;
    const base = row * rowWords;
    // Whoever has to read again was overtaken by a whole change: that ends when the writer does anything else.
    for (;;) {
      const before = Atomics.load(words, base + version);
      const copy = copyAt(base, before);
      const sold = Atomics.load(words, copy + confirmed);
      const units = Atomics.load(words, copy + total);
      const left = Atomics.load(words, copy + available);
      // This copy is written to only while the other one counts; but for `available` alone, of which either value is right.
      if (Atomics.load(words, base + version) === before) {
        return { total: units, available: left, held: units - left - sold, confirmed: sold };
      }
    }
  }

  /**
   * Owner only. Moves a row from what the owner published last to what it knows now. Units that went into holds are
   * one atomic subtraction; anything more is done in the copy that does not count yet.
   */
  publish(row: number, before: Stock, now: Stock): void {
    const words = this.#words;
    const base = row * rowWords;
    assert(now.available >= 0, 'a stock row never goes below zero');
    const changes = Atomics.load(words, base + version);
    const more = before.total !== now.total || before.confirmed !== now.confirmed;
    const copy = copyAt(base, more ? changes + 1 : changes);
    if (more) this.#duplicate(copyAt(base, changes), copy);
    const found = Atomics.sub(words, copy + available, before.available - now.available);
    assert(found === before.available, 'a stock row has one writer');
    if (!more) return;
    Atomics.add(words, copy + confirmed, now.confirmed - before.confirmed);
    Atomics.add(words, copy + total, now.total - before.total);
    Atomics.add(words, base + version, 1);
  }

  /** Owner only. Writes a row outright, whatever it held. */
  reset(row: number, now: Stock): void {
    const words = this.#words;
    const base = row * rowWords;
    const copy = copyAt(base, Atomics.load(words, base + version) + 1);
    Atomics.store(words, copy + available, now.available);
    Atomics.store(words, copy + confirmed, now.confirmed);
    Atomics.store(words, copy + total, now.total);
    Atomics.add(words, base + version, 1);
  }

  #duplicate(from: number, to: number): void {
    const words = this.#words;
    Atomics.store(words, to + available, Atomics.load(words, from + available));
    Atomics.store(words, to + confirmed, Atomics.load(words, from + confirmed));
    Atomics.store(words, to + total, Atomics.load(words, from + total));
  }
}

/** Where the copy is that counts under a version. */
function copyAt(base: number, changes: number): number {
  return base + copies + (changes & 1) * copyWords;
}
