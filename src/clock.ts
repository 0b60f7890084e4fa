/**
 * The engine's clock: wall-clock milliseconds that never step backwards while the engine runs. Every thread
 * builds one from the same origin, so an acceptor and a shard agree on the time.
 */
import { performance } from 'node:perf_hooks';

/** Ties one instant of the machine-wide monotonic clock to the wall clock. Structured-cloneable. */
export interface ClockOrigin {
  readonly wallMs: number;
  readonly monotonicMs: number;
  /** One f64, shared by all threads: how far the engine's clock is ahead of the wall clock it started from, in ms. */
  readonly ahead: SharedArrayBuffer;
}

/**
 * Sets every clock of an origin ahead: a store may have times that the machine's clock, set back since, has yet to
 * reach. All threads follow, so that there is one notion of time. Before anybody is served.
 */
export function setAhead(origin: ClockOrigin, aheadMs: number): void {
  new Float64Array(origin.ahead)[0] = aheadMs;
}

/** A time to measure durations with, in ms: it has no relation to the wall clock. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/**
 * What to add to `from` to get `to`. Of many pairs of readings the closest together counts: a thread that loses its
 * core between two readings would be off by as long as it was away.
 */
function distance(from: () => number, to: () => number): number {
  let closest = Number.POSITIVE_INFINITY;
  let result = 0;
  for (let i = 0; i < 64; i++) {
    const before = from();
    const other = to();
    const after = from();
    if (after - before >= closest) continue;
    closest = after - before;
    result = other - (before + after) / 2;
  }
  return result;
}

/** Reads both clocks, a few milliseconds long. Called by the thread that starts the engine. */
export function clockOrigin(): ClockOrigin {
  let ahead = Number.NEGATIVE_INFINITY;
  // `Date.now()` is whole milliseconds, so it is right only as it ticks; a reading that came late shows less.
  for (let tick = 0, last = Date.now(); tick < 5; ) {
    const wall = Date.now();
    if (wall === last) continue;
    ahead = Math.max(ahead, wall - monotonicMs());
    last = wall;
    tick += 1;
  }
  const now = monotonicMs();
  return { wallMs: now + ahead, monotonicMs: now, ahead: new SharedArrayBuffer(8) };
}

/** A source of time: integer milliseconds since the Unix epoch. */
export type Clock = () => number;

/**
 * A clock that follows CLOCK_MONOTONIC from `origin`. `performance.now()` counts from each thread's own start,
 * so the distance to the origin is measured once per thread; after that a reading costs no allocation.
 */
export function clockFrom(origin: ClockOrigin): Clock {
  const offset = origin.wallMs - origin.monotonicMs + distance(() => performance.now(), monotonicMs);
  const ahead = new Float64Array(origin.ahead);
  return () => Math.floor(performance.now() + offset + ahead[0]!);
}
