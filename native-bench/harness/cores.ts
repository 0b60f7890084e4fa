/** Which cores a process may have, in the order in which they are given to measurements, and how it is kept on them. */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { textOf } from './text-of.js';

export interface Cores {
  /** Numbers of the CPUs, one of each core before any core's second hyperthread, package by package. */
  readonly cpus: readonly number[];
  /** How many of them are cores of their own; the others are hyperthreads of these. */
  readonly whole: number;
  /** Packages that they are in. */
  readonly sockets: number;
  /** NUMA nodes that they are in; undefined where the system does not tell. */
  readonly numaNodes: number | undefined;
  /** Of CPU time that a control group allows, in cores; Infinity without a limit. */
  readonly quota: number;
}

export function coresOfMachine(): Cores {
  const cpus = allowedCpus();
  const places = cpus.map((cpu) => placeOf(cpu, cpus));
  places.sort((a, b) => a.thread - b.thread || a.package - b.package || a.cpu - b.cpu);
  return {
    cpus: places.map(({ cpu }) => cpu),
    whole: places.filter(({ thread }) => thread === 0).length,
    sockets: new Set(places.map((place) => place.package)).size,
    numaNodes: numaNodesOf(cpus),
    quota: quotaIn(textOf('/sys/fs/cgroup/cpu.max') ?? ''),
  };
}

/** Numbers of the CPUs that this process may use, in their order. */
export function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(textOf('/proc/self/status') ?? '')?.[1] ?? '';
  const allowed = rangesIn(list);
  return allowed.length > 0 ? allowed : Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
}

/** Where a CPU is; `thread` counts the hyperthreads of its core that we may use. */
function placeOf(cpu: number, allowed: readonly number[]): { cpu: number; thread: number; package: number } {
  const topology = `/sys/devices/system/cpu/cpu${cpu}/topology`;
  const siblings = rangesIn(textOf(`${topology}/thread_siblings_list`) ?? '').filter((one) =>
    allowed.includes(one),
  );
  const inPackage = Number(textOf(`${topology}/physical_package_id`) ?? 0);
  return { cpu, thread: Math.max(0, siblings.indexOf(cpu)), package: inPackage };
}

function numaNodesOf(cpus: readonly number[]): number | undefined {
  const root = '/sys/devices/system/node';
  try {
    const nodes = readdirSync(root).filter((name) => /^node\d+$/.test(name));
    const lists = nodes.map((node) => rangesIn(textOf(`${root}/${node}/cpulist`) ?? ''));
    return lists.filter((list) => list.some((cpu) => cpus.includes(cpu))).length || undefined;
  } catch {
    return undefined;
  }
}

/** The command that keeps a process, and all that it starts, on CPUs: sched_setaffinity(2) is inherited. */
export function pinTo(taskset: string, cpus: readonly number[]): string[] {
  return [taskset, '-c', cpus.join(',')];
}

/** The numbers in a list such as `0-3,8`. */
export function rangesIn(text: string): number[] {
  return text
    .split(',')
    .filter((range) => range.trim() !== '')
    .flatMap((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
    });
}

/** Cores by `cpu.max` (cgroup-v2.rst of the kernel): microseconds allowed in a period, or `max`, and the period. */
export function quotaIn(text: string): number {
  const [allowed, period] = text.split(' ').map(Number);
  return allowed === undefined || period === undefined || Number.isNaN(allowed) || period === 0
    ? Number.POSITIVE_INFINITY
    : allowed / period;
}
