/**
 * The one place that opens LMDB for writing. A transaction that returned is on disk: see `openEnvironment`. Called by the
 * thread that owns the environment.
 */
import { closeSync, mkdirSync, openSync, statfsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type Database, open as openLmdb, type RootDatabase } from 'lmdb';
import { limits } from '../config.js';
import { LeiniaoError, type StartErrorCode } from '../errors.js';
import { checkDatabaseFile, pageBytes } from './lmdb-check.js';

/** LMDB's own name for the file in an environment's folder. */
export const databaseFile = 'data.mdb';

/** Address space to begin with; LMDB takes more when a file outgrows it. */
export const mapBytes = 2 ** 36;

/** Files that the process must be able to open before LMDB opens its own. */
const descriptorsSpare = 8;

export type Environment = RootDatabase<Buffer, string>;
export type NumberedRecords = Database<Buffer, number>;
export type NamedRecords = Database<Buffer, string>;

/**
 * Opens an environment in folder `path`, made if missing. `overlappingSync: false` makes LMDB flush the data
 * and then write its meta page through O_DSYNC before a synchronous transaction returns.
 *
 * @throws LeiniaoError `data_dir_damaged` when the file is not a whole LMDB database; `data_dir_unwritable` or
 *   `data_dir_full` when the operating system does not let it be opened, which may be over when it is tried again
 */
export function openEnvironment(path: string): Environment {
  mkdirSync(path, { recursive: true });
  checkDatabaseFile(join(path, databaseFile));
  requireDescriptors(path);
  try {
    return openLmdb<Buffer, string>({
      path,
      mapSize: mapBytes,
      maxDbs: 2,
      pageSize: pageBytes,
      encoding: 'binary',
      overlappingSync: false,
      compression: false,
      noSubdir: false,
    });
  } catch (cause) {
    throw new LeiniaoError(codeOf(cause), `${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Checks that the process may open a few more files: an LMDB that gets some of its three and not the others ends the
 * process with a signal. Connections that are accepted meanwhile may still take them, so there have to be more than it
 * needs.
 *
 * @throws LeiniaoError `data_dir_unwritable`
 */
function requireDescriptors(path: string): void {
  const opened: number[] = [];
  try {
    while (opened.length < descriptorsSpare) opened.push(openSync('/dev/null', 'r'));
  } catch (cause) {
    throw new LeiniaoError('data_dir_unwritable', `${path}: ${(cause as Error).message}`, { cause });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** What a failure to open means. LMDB's own codes are negative; the others are the operating system's. */
function codeOf(cause: unknown): StartErrorCode {
  const { code } = cause as { readonly code?: number };
  if (code === undefined || code <= 0) return 'data_dir_damaged';
  const { ENOSPC, EDQUOT } = constants.errno;
  return code === ENOSPC || code === EDQUOT ? 'data_dir_full' : 'data_dir_unwritable';
}

/**
 * Checks that the folder of an environment still has its database: to make it anew would be to sell its stock again.
 *
 * @throws LeiniaoError `data_dir_damaged`
 */
export function requireDatabase(path: string): void {
  const file = join(path, databaseFile);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  throw new LeiniaoError('data_dir_damaged', `${file} is missing or empty`);
}

/**
 * Checks that the disk of an environment has room for `bytes` more. To be called before every write: an LMDB that meets
 * a full disk in the middle of one has been seen to damage the memory of its process.
 *
 * @throws LeiniaoError `data_dir_full`
 */
export function requireRoom(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < bytes + limits.storeRoomBytes) {
    throw new LeiniaoError('data_dir_full', `no space is left on the disk of ${path}`);
  }
}

/**
 * Every record of a database in the order of its keys, and then the proof that it was every one: LMDB's iteration just
 * ends at a page it cannot make sense of, while the number of entries is kept apart from them.
 *
 * @throws LeiniaoError `data_dir_damaged`
 */
export function* everyRecord<K extends number | string>(
  records: Database<Buffer, K>,
): Generator<{ readonly key: K; readonly value: Buffer }> {
  let read = 0;
  try {
    for (const entry of records.getRange({ snapshot: true })) {
      read += 1;
      yield entry;
    }
  } catch (cause) {
    throw new LeiniaoError(
      'data_dir_damaged',
      `record ${read + 1} cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  const { entryCount } = records.getStats() as { readonly entryCount: number };
  if (entryCount !== read) {
    throw new LeiniaoError('data_dir_damaged', `${read} of ${entryCount} records can be read`);
  }
}
