/** Who else is busy just now: what every process and all cores do within a second. */
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { allowedCpus } from './cores.js';
import { type ProcessTicks, processIds, processTicks, ticksOf, ticksPerSecond } from './cpu-ticks.js';

const sampleMs = 1_000;
/** Of a core, what a process has to use to be named. */
const shareMin = 0.05;
const namedMax = 5;

export interface BusyBefore {
  /** Of the CPUs that we may use, how many were busy. */
  readonly cores: number;
  /** The processes that used most, such as `node 96 %` of a core; ours and our parents are left out. */
  readonly processes: readonly string[];
}

/** Resolves after a second; to null where the system does not tell. */
export async function busyBefore(): Promise<BusyBefore | null> {
  const cpus = allowedCpus();
  const [before, ticksBefore] = [allProcesses(), ticksOf(cpus)];
  const startedMs = performance.now();
  await delay(sampleMs);
  const seconds = (performance.now() - startedMs) / 1_000;
  const [after, ticksAfter] = [allProcesses(), ticksOf(cpus)];
  if (ticksBefore === undefined || ticksAfter === undefined) return null;
  const share = (ticksAfter.busy - ticksBefore.busy) / (ticksAfter.all - ticksBefore.all);
  return {
    cores: Math.round(share * cpus.length * 100) / 100,
    processes: busiest(before, after, seconds, ancestors(after, process.pid)),
  };
}

/** Load averages of 1, 5 and 15 minutes, with two digits after the point. */
export function loadNow(): number[] {
  return loadavg().map((value) => Math.round(value * 100) / 100);
}

export type Processes = ReadonlyMap<number, ProcessTicks>;

function allProcesses(): Processes {
  const all = new Map<number, ProcessTicks>();
  for (const pid of processIds()) {
    const one = processTicks(pid);
    // It may have ended since it was listed.
    if (one !== undefined) all.set(pid, one);
  }
  return all;
}

/** A process, what started it, and so on: such as npm, which waits for us. */
export function ancestors(processes: Processes, pid: number): Set<number> {
  const found = new Set<number>();
  for (let at: number | undefined = pid; at && !found.has(at); at = processes.get(at)?.parent) found.add(at);
  return found;
}

/** Between two looks so many seconds apart: who had most of a core, with its share. */
export function busiest(
  before: Processes,
  after: Processes,
  seconds: number,
  leftOut: ReadonlySet<number>,
): string[] {
  return [...after]
    .filter(([pid]) => !leftOut.has(pid))
    .map(([pid, { name, startedAt, busy }]) => {
      const earlier = before.get(pid);
      // Another one may have got its number.
      const had = earlier?.startedAt === startedAt ? earlier.busy : 0;
      return { name, share: (busy - had) / ticksPerSecond / seconds };
    })
    .filter(({ share }) => share >= shareMin)
    .sort((a, b) => b.share - a.share)
    .slice(0, namedMax)
    .map(({ name, share }) => `${name} ${Math.round(share * 100)} %`);
}
