/**
 * What each thread has counted since the engine started. A thread writes its own line with plain stores; anybody
 * may read. Values are f64, exact up to 2^53.
 */

/** Counters of a shard. */
export const ShardCount = {
  accepted: 0,
  replayed: 1,
  refused: 2,
  settled: 3,
  expired: 4,
  commits: 5,
  entries: 6,
} as const;

/** Counters of an acceptor. */
export const AcceptorCount = {
  dispatched: 0,
  overloaded: 1,
  timedOut: 2,
  stale: 3,
} as const;

/** 128 bytes, so that no two threads write the same pair of cache lines. */
const lineDoubles = 16;

export class Counters {
  readonly #values: Float64Array;
  readonly #base: number;

  /** The counters of one line of the table: shards first, then acceptors. */
  constructor(buffer: SharedArrayBuffer, line: number) {
    this.#values = new Float64Array(buffer);
    this.#base = line * lineDoubles;
  }

  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * lineDoubles * 8);
  }

  /** Owner only. */
  add(counter: number, amount: number): void {
    const at = this.#base + counter;
    this.#values[at] = this.#values[at]! + amount;
  }

  read(counter: number): number {
    return this.#values[this.#base + counter]!;
  }
}
