/** One measurement of a contender: tinybench calls the work again and again until its time is over. */
import { Bench, type Task } from 'tinybench';
import type { Profile } from '../harness/profile.js';

/** How long to repeat. Both are reached: a call that takes longer than `ms` is still made `calls` times. */
export interface Repeat {
  readonly ms: number;
  readonly calls: number;
  /** Calls before those that count, for a tenth of `ms` at least. */
  readonly warmupCalls: number;
}

export interface Timing {
  /** All time over all calls: the disk's slow flushes and the collector's pauses count. */
  readonly meanMs: number;
  /** Of single calls: for work that nobody but the machine's other users can delay. */
  readonly medianMs: number;
}

/** Of one contender in one round: there are many contenders, so each gets less than what a load gets. */
export function repeatFor({ seconds, measures }: Profile): Repeat {
  return { ms: measures ? seconds * 60 : 10, calls: 1, warmupCalls: 1 };
}

export const once: Repeat = { ms: 0, calls: 1, warmupCalls: 0 };

/** Times calls of `work`, which does the same at each of them. */
export function timeCalls(repeat: Repeat, work: () => void): Timing {
  const bench = new Bench(optionsOf(repeat)).add('work', work, { async: false });
  const [task] = bench.runSync();
  return timingOf(task);
}

/** The same for work that times a part of itself, and returns the ms of it. */
export function timePart(repeat: Repeat, work: () => number): Timing {
  const timed = () => ({ overriddenDuration: work() });
  const bench = new Bench(optionsOf(repeat)).add('work', timed, { async: false });
  const [task] = bench.runSync();
  return timingOf(task);
}

/** The same for work that takes turns of the event loop, with which each call is timed. */
export async function timeAsyncCalls(repeat: Repeat, work: () => Promise<void>): Promise<Timing> {
  const bench = new Bench(optionsOf(repeat)).add('work', work, { async: true });
  const [task] = await bench.run();
  return timingOf(task);
}

function optionsOf({ ms, calls, warmupCalls }: Repeat) {
  return {
    ...{ time: ms, iterations: calls, throws: true },
    ...{ warmup: warmupCalls > 0, warmupIterations: warmupCalls, warmupTime: ms / 10 },
  };
}

function timingOf(task: Task | undefined): Timing {
  if (task?.result.state !== 'completed') throw new Error(`tinybench ended ${task?.result.state}`);
  const { period, latency } = task.result;
  return { meanMs: period, medianMs: latency.p50 };
}
