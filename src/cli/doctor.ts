/**
 * `leiniao doctor`: whether the engine can run on this machine, and what would make it run better. Main
 * thread; leaves nothing behind but what loading uWebSockets.js caches.
 */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { compareVersions } from '../acceptor/uws/elf.js';
import { describeUws, type UwsReport } from '../acceptor/uws/load.js';
import { readMeta } from '../store/data-dir.js';

/** `problem`: the engine cannot run. `warning`: it runs, but not as it should. */
type Status = 'ok' | 'warning' | 'problem';

interface Finding {
  readonly name: string;
  readonly status: Status;
  readonly found: string;
  /** What to do; on warnings and problems. */
  readonly advice?: string;
}

const nodeVersionMin = '20.11.0';
const mebibyte = 1024 * 1024;
const memoryBytesAdvised = 1024 * mebibyte;
const freeBytesAdvised = 1024 * mebibyte;
const freeBytesMin = 64 * mebibyte;
const flushRoundsMax = 64;
const flushRoundsMin = 8;
const flushBytes = 4096;
const flushBudgetMs = 2_000;
const flushMsAdvised = 20;
/** No disk known answers a flush this fast; memory does, and so does a layer that ignores flushes. */
const flushMsPlausible = 0.005;

/** statfs(2), f_type: file systems a store should not be on without a second thought, and why. */
const unsuited: ReadonlyMap<number, readonly [name: string, advice: string]> = new Map([
  [0x0102_1994, ['tmpfs', 'it is memory, and empty after a restart: use a folder on a disk']],
  [0x8584_58f6, ['ramfs', 'it is memory, and empty after a restart: use a folder on a disk']],
  [0x794c_7630, ['overlay', 'it goes when the container goes: mount a volume there']],
  [0x6969, ['nfs', 'a store must not be on a network file system: use a local disk']],
  [0xff53_4d42, ['cifs', 'a store must not be on a network file system: use a local disk']],
  [0xfe53_4d42, ['smb', 'a store must not be on a network file system: use a local disk']],
  [0x0102_1997, ['9p', 'a store must not be on a file system shared with a host: use a local disk']],
]);
const suited: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x5846_5342, 'xfs'],
  [0x9123_683e, 'btrfs'],
  [0x2fc1_2fc1, 'zfs'],
  [0xf2f5_2010, 'f2fs'],
]);

const require = createRequire(import.meta.url);

function ok(name: string, found: string): Finding {
  return { name, status: 'ok', found };
}

function warning(name: string, found: string, advice: string): Finding {
  return { name, status: 'warning', found, advice };
}

function problem(name: string, found: string, advice: string): Finding {
  return { name, status: 'problem', found, advice };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function size(bytes: number): string {
  return bytes < 1024 * mebibyte
    ? `${Math.floor(bytes / mebibyte)} MiB`
    : `${(bytes / (1024 * mebibyte)).toFixed(1)} GiB`;
}

function describePlatform(report: UwsReport): Finding[] {
  const { platform, nodeVersion, glibc } = report;
  const supported = platform === 'linux' || platform === 'darwin';
  const where = `${platform} ${report.arch}`;
  return [
    supported
      ? ok('platform', where)
      : warning('platform', where, 'made for Linux and macOS; use one of them'),
    compareVersions(nodeVersion, nodeVersionMin) >= 0
      ? ok('Node.js', nodeVersion)
      : problem('Node.js', nodeVersion, `install Node.js ${nodeVersionMin} or newer`),
    // Whether these two will do is for uWebSockets.js to say: it alone depends on them.
    ok('Node ABI', report.abi),
    ok('glibc', glibc ?? (platform === 'linux' ? 'none: another C library, such as musl' : 'not used here')),
  ];
}

function describeUwsPackage(report: UwsReport): Finding {
  const name = 'uWebSockets.js';
  if (report.origin === 'unavailable') {
    return problem(name, report.error ?? 'not loaded', 'use a Node.js version and a system named above');
  }
  const how =
    report.origin === 'official'
      ? 'the official binary'
      : `relinked, as the official binary asks for glibc ${report.officialNeedsGlibc}`;
  return ok(name, `${report.version}, ${how}, ${report.path}`);
}

/** The manifest of an installed package, which its `exports` may hide. */
function versionOf(name: string): string {
  let folder = dirname(require.resolve(name));
  while (folder !== dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const found = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string; version?: string };
      if (found.name === name && found.version !== undefined) return found.version;
    }
    folder = dirname(folder);
  }
  return 'of unknown version';
}

/** Loads the package too: a missing native part shows only then. */
function describePackage(name: string): Finding {
  try {
    const version = versionOf(name);
    require(name);
    return ok(name, version);
  } catch (error) {
    return problem(name, messageOf(error), 'install leiniao again on this machine, with optional packages');
  }
}

function describeCores(): Finding {
  const cores = availableParallelism();
  return cores >= 2
    ? ok('cores', String(cores))
    : warning('cores', '1', 'acceptor and shard will share it; two or more serve far more buyers');
}

function describeMemory(): Finding {
  const constrained = process.constrainedMemory();
  const limited = constrained > 0 && constrained < totalmem();
  const total = limited ? constrained : totalmem();
  const found = limited ? `${size(total)} (limited)` : `${size(total)}, ${size(freemem())} available`;
  return total >= memoryBytesAdvised
    ? ok('memory', found)
    : warning('memory', found, `give it ${size(memoryBytesAdvised)}, or lower ordersPerShardMax`);
}

/** The folder itself, or the nearest one above it that exists. */
function nearestExisting(path: string): string {
  let folder = path;
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function describeDataFolder(path: string, folder: string): Finding {
  const name = 'data folder';
  if (!statSync(folder).isDirectory()) {
    return problem(name, `${folder} is not a folder`, 'choose another data folder');
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    return problem(
      name,
      `${folder} cannot be written`,
      'change its owner or mode, or choose another data folder',
    );
  }
  if (folder === path) {
    try {
      readMeta(path);
    } catch (error) {
      return problem(name, messageOf(error), 'choose another data folder');
    }
  }
  return ok(name, folder === path ? path : `${path}, which will be made in ${folder}`);
}

function describeFileSystem(folder: string): Finding[] {
  const { type, bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const enough = `free ${size(freeBytesAdvised)} there, or choose another data folder`;
  const space =
    free < freeBytesMin
      ? problem('free space', size(free), enough)
      : free < freeBytesAdvised
        ? warning('free space', size(free), enough)
        : ok('free space', size(free));
  // The numbers are Linux's; other systems give theirs other meanings.
  if (process.platform !== 'linux') return [space];
  const doubtful = unsuited.get(type >>> 0);
  if (doubtful !== undefined) return [space, warning('file system', ...doubtful)];
  return [space, ok('file system', suited.get(type >>> 0) ?? `type 0x${(type >>> 0).toString(16)}`)];
}

/** Milliseconds of each write and flush, sorted. Overwrites one block, as a store does once it has its pages. */
function measureFlushes(folder: string): number[] {
  const path = join(folder, `.leiniao-doctor-${randomBytes(8).toString('hex')}`);
  const descriptor = openSync(path, 'wx', 0o600);
  const block = randomBytes(flushBytes);
  const measuredMs: number[] = [];
  try {
    writeSync(descriptor, block, 0, flushBytes, 0);
    fdatasyncSync(descriptor);
    const started = performance.now();
    while (measuredMs.length < flushRoundsMax) {
      const before = performance.now();
      if (before - started > flushBudgetMs && measuredMs.length >= flushRoundsMin) break;
      writeSync(descriptor, block, 0, flushBytes, 0);
      fdatasyncSync(descriptor);
      measuredMs.push(performance.now() - before);
    }
  } finally {
    closeSync(descriptor);
    rmSync(path, { force: true });
  }
  return measuredMs.sort((a, b) => a - b);
}

function describeFlush(folder: string): Finding {
  const name = 'disk flush';
  const sorted = measureFlushes(folder);
  const median = sorted[sorted.length >> 1] ?? 0;
  const worst = sorted.at(-1) ?? 0;
  const found = `median ${median.toFixed(3)} ms, worst ${worst.toFixed(3)} ms (${sorted.length} × 4 KiB)`;
  if (median < flushMsPlausible) {
    return warning(name, found, 'flushes seem not to reach a disk: orders may not survive a power cut');
  }
  return median <= flushMsAdvised
    ? ok(name, found)
    : warning(name, found, 'every order waits for a flush: put the data folder on a faster disk');
}

function describeStorage(dataDir: string): Finding[] {
  const path = resolve(dataDir);
  const folder = nearestExisting(path);
  try {
    const dataFolder = describeDataFolder(path, folder);
    if (dataFolder.status === 'problem') return [dataFolder];
    return [dataFolder, ...describeFileSystem(folder), describeFlush(folder)];
  } catch (error) {
    return [problem('data folder', messageOf(error), 'choose another data folder')];
  }
}

function render(findings: readonly Finding[], runs: boolean): string {
  const nameWidth = Math.max(...findings.map(({ name }) => name.length));
  const statusWidth = 'warning'.length;
  const lines = findings.flatMap(({ name, status, found, advice }) => {
    const line = `${status.padEnd(statusWidth)}  ${name.padEnd(nameWidth)}  ${found}`;
    return advice === undefined ? [line] : [line, `${' '.repeat(statusWidth + nameWidth + 4)}→ ${advice}`];
  });
  lines.push(
    '',
    runs ? 'The engine can run here.' : 'The engine cannot run here until each problem is solved.',
  );
  return `${lines.join('\n')}\n`;
}

/**
 * Prints what was found, a line each, or with `json` as one object `{ ok, findings }`. Resolves to the exit
 * code: 0, or 1 if the engine cannot run here. Does not make the data folder.
 */
export async function doctor(options: { dataDir: string; json?: boolean | undefined }): Promise<number> {
  const uws = describeUws();
  const findings = [
    ...describePlatform(uws),
    describeUwsPackage(uws),
    describePackage('lmdb'),
    describePackage('piscina'),
    describeCores(),
    describeMemory(),
    ...describeStorage(options.dataDir),
  ];
  const runs = findings.every(({ status }) => status !== 'problem');
  const output = options.json
    ? `${JSON.stringify({ ok: runs, findings }, undefined, 2)}\n`
    : render(findings, runs);
  await new Promise<void>((done) => process.stdout.write(output, () => done()));
  return runs ? 0 : 1;
}
