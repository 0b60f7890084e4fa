/**
 * The one place that opens LMDB for writing. A transaction that returned is on disk: see `openEnvironment`. Called by the
 * thread that owns the environment.
 */
import {
  constants as access,
  accessSync,
  closeSync,
  mkdirSync,
  openSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type Database, open as openLmdb, type RootDatabase, type Transaction } from 'lmdb';
import { limits } from '../config.js';
import { LeiniaoError, type StartErrorCode } from '../errors.js';
import { checkDatabaseFile, finishFailedCommit, newestTransaction } from './lmdb-check.js';
import { pageBytes, type TableName, tables } from './lmdb-layout.js';

/** LMDB's own name for the file in an environment's folder. */
export const databaseFile = 'data.mdb';
/** And for its list of readers beside it. */
export const readersFile = 'lock.mdb';

export type Environment = RootDatabase<Buffer, string>;
export type NumberedRecords = Database<Buffer, number>;
export type NamedRecords = Database<Buffer, string>;

/**
 * Opens the environment of a table in folder `path`, made if missing. `overlappingSync: false` makes LMDB flush the data
 * and then write its meta page through O_DSYNC before a synchronous transaction returns.
 *
 * @throws LeiniaoError `data_dir_damaged` when the file is not a whole LMDB database; `data_dir_unwritable` or
 *   `data_dir_full` when the operating system does not let it be opened, which may be over when it is tried again
 */
export function openEnvironment(path: string, table: TableName): Environment {
  makeFolder(path);
  finishFailedCommit(join(path, databaseFile), table);
  checkDatabaseFile(join(path, databaseFile), table);
  requireReadersFile(join(path, readersFile));
  requireDescriptors(path);
  try {
    return openLmdb<Buffer, string>({ ...environmentOptions(path), overlappingSync: false });
  } catch (cause) {
    throw lmdbFailure(path, cause);
  }
}

/** What the table of an environment is opened with, so that it is as the check of its file wants it. */
export function tableOptions(name: TableName) {
  return { name, encoding: 'binary', keyEncoding: tables[name].keyEncoding } as const;
}

/** What an environment in folder `path` is opened with, whoever opens it. */
export function environmentOptions(path: string) {
  return {
    path,
    mapSize: limits.storeMapBytes,
    maxDbs: 2,
    pageSize: pageBytes,
    encoding: 'binary',
    compression: false,
    noSubdir: false,
  } as const;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw lmdbFailure(path, cause);
  }
}

/**
 * Checks that LMDB can write to its list of readers, and makes it where there is none: where LMDB cannot, it ends the process
 * with a signal. A list that is there is not opened for that, because to close it would give up the locks that this process
 * may have on it.
 *
 * @throws LeiniaoError `data_dir_unwritable` or `data_dir_full`
 */
function requireReadersFile(file: string): void {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) closeSync(openSync(file, 'a'));
    else if (found.isFile()) accessSync(file, access.R_OK | access.W_OK);
    else throw new LeiniaoError('data_dir_unwritable', `${file} is no file`);
  } catch (cause) {
    throw cause instanceof LeiniaoError ? cause : lmdbFailure(file, cause);
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
    while (opened.length < limits.descriptorsSpare) opened.push(openSync('/dev/null', 'r'));
  } catch (cause) {
    throw new LeiniaoError('data_dir_unwritable', `${path}: ${(cause as Error).message}`, { cause });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** LMDB's words where it did not let a reader begin. Its list of readers tells them apart by process ids. */
const noReader = /No (?:current read )?transaction/;

/**
 * The error that `cause`, thrown by LMDB or at a look at its files, means: damage, or what may be over when it is tried
 * again.
 *
 * @param what the beginning of the message
 */
export function lmdbFailure(what: string, cause: unknown): LeiniaoError {
  const { message } = cause as Error;
  if (!noReader.test(message)) return new LeiniaoError(codeOf(cause), `${what}: ${message}`, { cause });
  const why =
    'no reader can begin just now; does a process of the same id, in another container, use this folder as well? ' +
    'if not, and it stays so, start this process again';
  return new LeiniaoError('data_dir_unwritable', `${what}: ${why} (${message})`, { cause });
}

/** LMDB's own code for a database that has grown to its `mapSize` (lmdb.h). */
const mapFull = -30_792;
/**
 * LMDB's own codes (lmdb.h) that say nothing of what is on disk: PANIC (until it is opened again), READERS_FULL, TLS_FULL,
 * MAP_RESIZED, BAD_RSLOT.
 */
const noDamage: ReadonlySet<number> = new Set([-30_795, -30_790, -30_789, -30_785, -30_783]);

/** LMDB's own codes are negative. The operating system's are not, but Node.js negates them. */
function codeOf(cause: unknown): StartErrorCode {
  const { code, errno = 0 } = cause as { readonly code?: unknown; readonly errno?: number };
  const number = typeof code === 'number' ? code : -errno;
  const { ENOSPC, EDQUOT } = constants.errno;
  if (number === ENOSPC || number === EDQUOT || number === mapFull) return 'data_dir_full';
  return number > 0 || noDamage.has(number) ? 'data_dir_unwritable' : 'data_dir_damaged';
}

/**
 * Checks, within a write transaction, that it goes on from the newest commit of the file. Before anything is written: the
 * newest commit is still there then, and whoever opens the file anew finds it.
 *
 * @param descriptor of the database's file
 * @throws LeiniaoError `data_dir_unwritable`
 */
export function requireNewest(environment: Environment, descriptor: number): void {
  if (BigInt(environment.getWriteTxnId()) === newestTransaction(descriptor) + 1n) return;
  const message =
    'a store was opened by another process in the moment of a commit, and has to be opened again';
  throw new LeiniaoError('data_dir_unwritable', message);
}

/**
 * Checks that the folder of an environment still has its database: to make it anew would be to sell its stock again.
 *
 * @throws LeiniaoError `data_dir_damaged`, or `data_dir_unwritable` where it cannot be looked at
 */
export function requireDatabase(path: string): void {
  const file = join(path, databaseFile);
  let bytes: number | undefined;
  try {
    bytes = statSync(file, { throwIfNoEntry: false })?.size;
  } catch (cause) {
    throw lmdbFailure(file, cause);
  }
  if ((bytes ?? 0) > 0) return;
  throw new LeiniaoError('data_dir_damaged', `${file} is missing or empty`);
}

/**
 * Checks that the disk of an environment has room for `bytes` more. To be called before every write: an LMDB that meets
 * a full disk in the middle of one has been seen to damage the memory of its process.
 *
 * @throws LeiniaoError `data_dir_full`
 */
export function requireRoom(path: string, bytes: number): void {
  if (hasRoom(path, bytes)) return;
  throw new LeiniaoError('data_dir_full', `no space is left on the disk of ${path}`);
}

/** Whether the disk of a folder has room for `bytes` more. */
export function hasRoom(path: string, bytes: number): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize >= bytes + limits.storeRoomBytes;
}

/** Entries of a database as it is now. LMDB keeps the number apart from the entries themselves. */
export function entryCount(records: Database<Buffer, number | string>): number {
  return (records.getStats() as { readonly entryCount: number }).entryCount;
}

/**
 * Every record of a database in the order of its keys, and then the proof that it was every one: LMDB's iteration just
 * ends at a page it cannot make sense of.
 *
 * @param count gives the number of entries there are; asked when all have been read
 * @throws LeiniaoError `data_dir_damaged`, or what `lmdbFailure` makes of what LMDB says
 */
export function* everyRecord<K extends number | string>(
  records: Database<Buffer, K>,
  options: { readonly snapshot: true } | { readonly transaction: Transaction } = { snapshot: true },
  count: () => number = () => entryCount(records),
): Generator<{ readonly key: K; readonly value: Buffer }> {
  let read = 0;
  try {
    for (const entry of records.getRange(options)) {
      read += 1;
      yield entry;
    }
  } catch (cause) {
    throw lmdbFailure(`record ${read + 1} cannot be read`, cause);
  }
  const all = count();
  if (read !== all) throw new LeiniaoError('data_dir_damaged', `${read} of ${all} records can be read`);
}
