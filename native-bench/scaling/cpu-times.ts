/** CPU time of this process by thread, as Linux tells it (proc(5); /proc/…/schedstat: sched-stats.rst of the kernel). */
import { readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { textOf } from '../harness/text-of.js';

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
