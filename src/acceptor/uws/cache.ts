/**
 * A folder of native code that only this user can write, and files in it whose bytes are checked before every
 * use. Used by each thread that loads uWebSockets.js, by several processes at once: a file appears whole under
 * its name or not at all, and one that may be mapped is never written to.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

const folderMode = 0o700;
const fileMode = 0o500;
const writableByOthers = 0o022;

/** Only Linux caches anything, and there every process has one. */
function userId(): number {
  return process.geteuid?.() ?? -1;
}

/** A user without an entry in the password file, as containers run them, may have no home. */
function homeCache(): string {
  try {
    return join(homedir(), '.cache');
  } catch {
    return '';
  }
}

/**
 * Where to cache, best first: the user's cache folder, then one of the user's own under the temporary folder,
 * for accounts whose home cannot be written. Relative paths are ignored, as the XDG Base Directory
 * Specification asks: they would make the working folder a place to load code from.
 */
export function cacheFolders(): readonly string[] {
  const { XDG_CACHE_HOME: configured = '' } = process.env;
  const base = isAbsolute(configured) ? configured : homeCache();
  return [join(base, 'leiniao'), join(tmpdir(), `leiniao-${userId()}`)].filter(isAbsolute);
}

function isOnlyOurs(stats: Stats): boolean {
  return stats.uid === userId() && (stats.mode & writableByOthers) === 0;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: folderMode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Makes the folder and the one it is in, if missing; not the home above, which may be absent on purpose.
 * Throws if the folder is a symbolic link, belongs to somebody else, or can be written by others: whoever can
 * put a file there could have this process run it. The folders above are taken on trust: who can rename those
 * of a home can replace the program itself, and a shared temporary folder is sticky.
 */
function openPrivateFolder(folder: string): void {
  makeFolder(dirname(folder));
  makeFolder(folder);
  const stats = lstatSync(folder);
  if (stats.isSymbolicLink()) throw new Error(`${folder} is a symbolic link`);
  if (!stats.isDirectory()) throw new Error(`${folder} is not a folder`);
  if (!isOnlyOurs(stats)) throw new Error(`${folder} belongs to or can be written by another user`);
}

/** Whether the path is a file of ours with exactly these bytes. Any doubt counts as no. */
function holds(path: string, bytes: Buffer): boolean {
  let descriptor: number | undefined;
  try {
    // Non-blocking, so that a pipe put under this name cannot stall the start.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || !isOnlyOurs(stats) || stats.size !== bytes.length) return false;
    return readFileSync(descriptor).equals(bytes);
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Renaming over the old file leaves it intact for those who have it mapped; writing into it would crash them. */
function replace(path: string, bytes: Buffer): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', fileMode);
    try {
      writeFileSync(descriptor, bytes);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Path of a file in a private folder that holds exactly `bytes`. A file that is damaged or was tampered with
 * is replaced. Throws what the file system throws (full, read-only), or what `openPrivateFolder` does.
 */
export function cachedFile(folder: string, name: string, bytes: Buffer): string {
  openPrivateFolder(folder);
  const path = join(folder, name);
  if (!holds(path, bytes)) replace(path, bytes);
  return path;
}
