/** Pages that the system had to provide: minor faults, of proc(5). */
import { readdirSync, readFileSync } from 'node:fs';

function faultsIn(path: string): number {
  const fields = readFileSync(path, 'utf8').split(') ').at(-1)!.split(' ');
  return Number(fields[7]);
}

/** Of this thread, so far. */
export function ownFaults(): number {
  return faultsIn('/proc/thread-self/stat');
}

/** Threads of this process that there are now. */
export function threadIds(): string[] {
  return readdirSync('/proc/self/task');
}

/** Of some threads together, so far. */
export function faultsOf(threads: readonly string[]): number {
  return threads.reduce((sum, thread) => sum + faultsIn(`/proc/self/task/${thread}/stat`), 0);
}

/** Whether the system gives everybody pages of 2 MiB, of which so few are needed that nothing can be told by them. */
export function hugePagesForAll(): boolean {
  return readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8').includes('[always]');
}
