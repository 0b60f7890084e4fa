/** Who had the CPUs, as Linux tells it (proc(5); /proc/…/schedstat: sched-stats.rst of the kernel). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** Ids of the threads of this process; none where the system does not tell. */
export function threadIds(): string[] {
  try {
    return readdirSync('/proc/self/task');
  } catch {
    return [];
  }
}

/** Id of the calling thread, or an empty one. */
export function ownThreadId(): string {
  try {
    return basename(readlinkSync('/proc/thread-self'));
  } catch {
    return '';
  }
}

/** CPU time of a thread of this process so far, in ns, or undefined where the system does not tell it. */
export function threadTimeNs(thread: string): number | undefined {
  const text = textOf(`/proc/self/task/${thread}/schedstat`);
  return text === undefined ? undefined : Number(text.split(' ')[0]);
}

/** CPU time of this process so far, in ns. */
export function processTimeNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

/** Of CPUs: ticks in which anybody ran there, and ticks in all; undefined where the system does not tell. */
export function ticksOf(cpus: readonly number[]): { busy: number; all: number } | undefined {
  const text = textOf('/proc/stat');
  if (text === undefined) return undefined;
  let busy = 0;
  let all = 0;
  for (const line of text.split('\n')) {
    const [name = '', ...ticks] = line.split(/\s+/);
    if (!name.startsWith('cpu') || name === 'cpu' || !cpus.includes(Number(name.slice(3)))) continue;
    // user nice system idle iowait irq softirq steal; guests are counted in user already.
    const counted = ticks.slice(0, 8).map(Number);
    const sum = counted.reduce((total, count) => total + count, 0);
    all += sum;
    busy += sum - counted[3]! - counted[4]!;
  }
  return all === 0 ? undefined : { busy, all };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
