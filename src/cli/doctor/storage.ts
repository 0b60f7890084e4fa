/** Whether a data folder, and the disk it is on, can hold a store. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readMeta } from '../../store/data-dir.js';
import { type Finding, mebibyte, messageOf, ok, problem, size, warning } from './finding.js';

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

export function describeStorage(dataDir: string): Finding[] {
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
