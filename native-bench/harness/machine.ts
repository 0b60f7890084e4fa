/** What a figure was measured on: without it a figure is not a figure. */
import { realpathSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { type BusyBefore, busyBefore, loadNow } from './busy-before.js';
import { coresOfMachine } from './cores.js';
import { textOf } from './text-of.js';
import { versions } from './versions.js';

export interface Machine {
  readonly cpu: string;
  /** CPUs that this process may use, second hyperthreads included. */
  readonly cores: number;
  /** Of them, those that are cores of their own. */
  readonly wholeCores: number;
  /** That the CPUs are in. */
  readonly sockets: number;
  /** That the CPUs are in; null where the system does not say. */
  readonly numaNodes: number | null;
  /** Of CPU time that a control group allows, in cores; null without a limit. */
  readonly quotaCores: number | null;
  /** Of the CPU's frequency; null where the kernel does not say. */
  readonly governor: string | null;
  readonly memoryGiB: number;
  /** Where stores are written, and the kind of file system there: on `tmpfs` a flush costs nothing. */
  readonly disk: string;
  readonly kernel: string;
  readonly system: string;
  readonly node: string;
  /** By program or package: its version, null where it is not installed. */
  readonly versions: Readonly<Record<string, string | null>>;
  /** Load averages of 1, 5 and 15 minutes before the first benchmark. */
  readonly loadBefore: readonly number[];
  /** Who else was busy in the second before; null where the system does not say. */
  readonly busyBefore: BusyBefore | null;
}

/** Such as `ext4 at /tmp`; of /proc/mounts, whose last line for a folder is the one that counts. */
function describeDisk(folder: string): string {
  const path = realpathSync(folder);
  const under = (mount: string) => mount === '/' || path === mount || path.startsWith(`${mount}/`);
  const mounts = (textOf('/proc/mounts') ?? '').split('\n').map((line) => line.split(' '));
  let found: { mount: string; kind: string } | undefined;
  for (const [, mount = '', kind = ''] of mounts) {
    if (under(mount) && mount.length >= (found?.mount.length ?? 0)) found = { mount, kind };
  }
  return `${found?.kind ?? 'unknown file system'} at ${path}`;
}

/** What this machine is. Takes seconds: it looks who is busy, and asks every program for its version. */
export async function describeMachine(): Promise<Machine> {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(textOf('/etc/os-release') ?? '')?.[1] ?? process.platform;
  const cores = coresOfMachine();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    ...{ cores: cores.cpus.length, wholeCores: cores.whole, sockets: cores.sockets },
    numaNodes: cores.numaNodes ?? null,
    quotaCores: Number.isFinite(cores.quota) ? cores.quota : null,
    governor: textOf('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? null,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    disk: describeDisk(tmpdir()),
    kernel: release(),
    system,
    node: process.version,
    // Before the programs are asked: they are busy with that.
    ...{ loadBefore: loadNow(), busyBefore: await busyBefore() },
    versions: versions(),
  };
}

/** One line per fact, to stand above a report. */
export function machineLines(machine: Machine): string[] {
  const { cores, wholeCores, sockets, numaNodes, quotaCores } = machine;
  const whole = wholeCores < cores ? `${wholeCores} (the others are second hyperthreads)` : wholeCores;
  const installed = Object.entries(machine.versions).map(([name, version]) => `${name} ${version ?? '–'}`);
  return [
    `cpu       ${cores} × ${machine.cpu}, governor ${machine.governor ?? 'unknown'}`,
    `cores     whole ${whole}, sockets ${sockets}, NUMA nodes ${numaNodes ?? 'unknown'}, quota ${quotaCores ?? 'none'}`,
    `memory    ${machine.memoryGiB} GiB`,
    `disk      ${machine.disk}`,
    `system    ${machine.system}, kernel ${machine.kernel}, Node ${machine.node}`,
    `versions  ${installed.join(', ')}`,
    `before    load ${machine.loadBefore.join(' ')}; ${busyText(machine)}`,
  ];
}

function busyText({ busyBefore, cores }: Machine): string {
  if (busyBefore === null) return 'who else was busy is unknown';
  const who = busyBefore.processes.join(', ') || 'nobody much';
  return `in the last second ${busyBefore.cores} of ${cores} cores were busy: ${who}`;
}
