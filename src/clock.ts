/**
 * The engine's clock: wall-clock milliseconds that never step backwards while the engine runs. Every thread
 * builds one from the same origin, so an acceptor and a shard agree on the time.
 */
import { performance } from 'node:perf_hooks';

/** Ties one instant of the machine-wide monotonic clock to the wall clock. Structured-cloneable. */
export interface ClockOrigin {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Reads both clocks once. Called by the thread that starts the engine. */
export function clockOrigin(): ClockOrigin {
  return { wallMs: Date.now(), monotonicMs: monotonicMs() };
}

/** A source of time: integer milliseconds since the Unix epoch. */
export type Clock = () => number;

/**
 * A clock that follows CLOCK_MONOTONIC from `origin`. `performance.now()` counts from each thread's own start,
 * so the distance to the origin is measured once per thread; after that a reading costs no allocation.
 */
export function clockFrom(origin: ClockOrigin): Clock {
  const offset = origin.wallMs - origin.monotonicMs + (monotonicMs() - performance.now());
  return () => Math.floor(performance.now() + offset);
}
