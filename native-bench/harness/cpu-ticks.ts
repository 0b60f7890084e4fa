/** CPU time by CPU and by process, in ticks of a hundredth of a second, as Linux tells it: proc(5). */
import { readdirSync } from 'node:fs';
import { textOf } from './text-of.js';

/** USER_HZ, which is the same on every architecture that Node runs on. */
export const ticksPerSecond = 100;

/** Of some CPUs together. */
export interface CpuTicks {
  /** In which a program ran there, or the kernel for one, or another virtual machine. */
  readonly busy: number;
  /** Without the kernel: nobody tells for whom that works, when it writes to a disk for instance. */
  readonly programs: number;
  /** In which something was to run there, and the host of this virtual machine gave it no CPU. */
  readonly stolen: number;
  readonly all: number;
}

/** Of CPUs, by their numbers; undefined where the system does not tell. */
export function ticksOf(cpus: readonly number[]): CpuTicks | undefined {
  const text = textOf('/proc/stat');
  return text === undefined ? undefined : ticksIn(text, cpus);
}

/** In a text such as that of /proc/stat; undefined where it has none of the CPUs. */
export function ticksIn(text: string, cpus: readonly number[]): CpuTicks | undefined {
  let busy = 0;
  let programs = 0;
  let stolen = 0;
  let all = 0;
  for (const line of text.split('\n')) {
    const [name = '', ...ticks] = line.split(/\s+/);
    if (!/^cpu\d+$/.test(name) || !cpus.includes(Number(name.slice(3)))) continue;
    // Guests are counted in user already.
    const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] =
      ticks.map(Number);
    programs += user + nice;
    stolen += steal;
    busy += user + nice + system + steal;
    all += user + nice + system + idle + ioWait + irq + softIrq + steal;
  }
  return all === 0 ? undefined : { busy, programs, stolen, all };
}

/** A process, as /proc/PID/stat has it. */
export interface ProcessTicks {
  readonly name: string;
  readonly parent: number;
  /** When it was started: tells it from another one that has its number. */
  readonly startedAt: number;
  /** That it has had, the kernel's work for it included. */
  readonly busy: number;
  /** Without the kernel's. */
  readonly program: number;
  /** The same of what it had started, and has reaped since. */
  readonly reaped: number;
}

/** Undefined where there is no such process, or no /proc. */
export function processTicks(pid: number): ProcessTicks | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  return text === undefined ? undefined : processIn(text);
}

export function processIn(text: string): ProcessTicks {
  // A name may have anything in it, parentheses too.
  const end = text.lastIndexOf(')');
  const fields = text
    .slice(end + 2)
    .split(' ')
    .map(Number);
  // What follows the name begins with field 3 of proc(5).
  const field = (number: number): number => fields[number - 3]!;
  return {
    ...{ name: text.slice(text.indexOf('(') + 1, end), parent: field(4), startedAt: field(22) },
    ...{ busy: field(14) + field(15), program: field(14), reaped: field(16) },
  };
}

/** Numbers of all processes; none without a /proc. */
export function processIds(): number[] {
  return namesIn('/proc').map(Number).filter(Number.isInteger);
}

/**
 * Of a process and all that it has started, and they have, without the kernel's work for them: what one that has ended had
 * is with the one that reaped it. Undefined where the system does not tell.
 */
export function treeTicks(pid: number): number | undefined {
  const process = processTicks(pid);
  if (process === undefined) return undefined;
  let sum = process.program + process.reaped;
  for (const thread of namesIn(`/proc/${pid}/task`)) {
    const children = textOf(`/proc/${pid}/task/${thread}/children`);
    // A kernel may be built without this list.
    if (children === undefined && Number(thread) === pid) return undefined;
    for (const child of children?.split(' ') ?? []) if (child !== '') sum += treeTicks(Number(child)) ?? 0;
  }
  return sum;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
