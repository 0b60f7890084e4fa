/** What a figure was measured on: without it a figure is not a figure. */
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
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
  /** Load averages of 1, 5 and 15 minutes before the first benchmark: who else was busy. */
  readonly loadBefore: readonly number[];
  /** The processes that used most of a core just before, ours left out. */
  readonly busyBefore: readonly string[];
}

/** The first line of what a program says of its version, or null without the program. */
function versionOf(command: string, ...args: string[]): string | null {
  try {
    return firstLine(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
  } catch (error) {
    // wrk prints its version and exits with 1.
    const { stdout } = error as { stdout?: string };
    return stdout ? firstLine(stdout) : null;
  }
}

/** Of what a program says of its version: the number alone. */
function numberOf(text: string | null): string | null {
  return /\d+\.\d[\w.+-]*/.exec(text ?? '')?.[0] ?? text;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

/** Of `ps`: what used more than a twentieth of a core over its life, this process and its parents left out. */
function busyProcesses(): string[] {
  const table =
    versionOf('ps', '--version') === null ? '' : run('ps', '-eo', 'pid,pcpu,comm', '--sort=-pcpu');
  const own = new Set([process.pid, process.ppid].map(String));
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([pid, share, name]) => !own.has(pid!) && Number(share) >= 5 && name !== 'ps')
    .slice(0, 5)
    .map(([, share, name]) => `${name} ${share} %`);
}

function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

function packageVersion(name: string): string | null {
  const text = textOf(new URL(`../../../node_modules/${name}/package.json`, import.meta.url).pathname);
  return text === null ? null : (JSON.parse(text) as { version: string }).version;
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

const packages = ['uWebSockets.js', 'piscina', 'lmdb', 'msgpackr', 'fastify', 'ioredis', 'pg'];

/** What this machine is. Takes a while: it asks every program for its version. */
export function describeMachine(): Machine {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(textOf('/etc/os-release') ?? '')?.[1] ?? process.platform;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    governor: textOf('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    disk: describeDisk(tmpdir()),
    kernel: release(),
    system,
    node: process.version,
    versions: {
      ...Object.fromEntries(packages.map((name) => [name, packageVersion(name)])),
      wrk: numberOf(versionOf('wrk', '-v')),
      'g++': numberOf(versionOf('g++', '--version')),
      'redis-server': numberOf(versionOf('redis-server', '--version')),
      postgres: numberOf(
        versionOf('sh', '-c', '"$(ls /usr/lib/postgresql/*/bin/postgres | tail -1)" --version'),
      ),
    },
    loadBefore: loadavg().map((value) => Math.round(value * 100) / 100),
    busyBefore: busyProcesses(),
  };
}

/** One line per fact, to stand above a report. */
export function machineLines(machine: Machine): string[] {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version ?? '–'}`);
  return [
    `cpu       ${machine.cores} × ${machine.cpu}, governor ${machine.governor ?? 'unknown'}`,
    `memory    ${machine.memoryGiB} GiB`,
    `disk      ${machine.disk}`,
    `system    ${machine.system}, kernel ${machine.kernel}, Node ${machine.node}`,
    `versions  ${versions.join(', ')}`,
    `before    load ${machine.loadBefore.join(' ')}; busy: ${machine.busyBefore.join(', ') || 'nobody'}`,
  ];
}
