/**
 * Reads one table of an LMDB database as it is at one moment, also while another process writes to it. Nothing is locked
 * and nothing written but LMDB's own list of readers (lock.mdb), which keeps the pages of the snapshot from being used
 * again. Called by the thread that reads.
 */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, open as openLmdb, type Transaction } from 'lmdb';
import { limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import {
  databaseFile,
  type Environment,
  entryCount,
  environmentOptions,
  everyRecord,
  lmdbFailure,
  readersFile,
  requireDatabase,
  tableOptions,
} from './lmdb.js';
import { checkDatabaseBeginning, checkDatabaseFile } from './lmdb-check.js';
import { pageBytes, type TableName } from './lmdb-layout.js';

export interface SnapshotRecord<K> {
  readonly key: K;
  readonly value: Buffer;
}

export interface Snapshot<K> {
  /** Records in it. */
  readonly count: number;
  /** Every record in the order of keys. Once; throws `data_dir_damaged` where one cannot be read, or some are missing. */
  records(): Generator<SnapshotRecord<K>>;
  close(): Promise<void>;
}

/**
 * Takes a snapshot of a table in its environment in folder `path`. A table that was never made is empty.
 *
 * @throws LeiniaoError `data_dir_damaged` when the file is not a whole database, `data_dir_locked` when it changes too
 *   fast to tell, `data_dir_unwritable` when its access is denied
 */
export async function openSnapshot<K extends number | string>(
  path: string,
  table: TableName,
): Promise<Snapshot<K>> {
  requireDatabase(path);
  const file = join(path, databaseFile);
  requireAccess(file, constants.R_OK);
  requireAccess(join(path, readersFile), constants.R_OK | constants.W_OK);
  // Opening reads no more than the beginning; where that is whole, LMDB can be let at it.
  await whenStill(file, () => checkDatabaseBeginning(file, table));
  const environment = openReadOnly(path);
  try {
    // As long as this is held, no page that the check below comes to is used again by who writes.
    const guard = beginReading(environment, path);
    await whenStill(file, () => checkDatabaseFile(file, table));
    const records = environment.openDB<Buffer, K>(tableOptions(table)) as Database<Buffer, K> | undefined;
    const transaction = records?.useReadTransaction();
    guard.done();
    return snapshotOf(environment, records, transaction);
  } catch (error) {
    await environment.close();
    throw error;
  }
}

/**
 * Checks for access to a file, if it exists. LMDB goes on where it cannot write to its list of readers, and then who
 * writes to the database knows nothing of us. On a file system that is read-only nobody does.
 */
function requireAccess(file: string, mode: number): void {
  try {
    accessSync(file, mode);
    if (!statSync(file).isFile()) throw new Error('it is no file');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EROFS') return;
    throw new LeiniaoError('data_dir_unwritable', `${file} has to be accessible: ${message}`, { cause });
  }
}

function openReadOnly(path: string): Environment {
  try {
    return openLmdb<Buffer, string>({ ...environmentOptions(path), readOnly: true });
  } catch (cause) {
    throw lmdbFailure(path, cause);
  }
}

function beginReading(environment: Environment, path: string): Transaction {
  try {
    return environment.useReadTransaction();
  } catch (cause) {
    throw lmdbFailure(path, cause);
  }
}

function snapshotOf<K extends number | string>(
  environment: Environment,
  table: Database<Buffer, K> | undefined,
  transaction: Transaction | undefined,
): Snapshot<K> {
  // At once: later on the statistics would be those of a newer state.
  const count = table === undefined ? 0 : entryCount(table);
  return {
    count,
    records: function* () {
      if (table === undefined || transaction === undefined) return;
      yield* everyRecord(table, { transaction }, () => count);
    },
    close: async () => {
      transaction?.done();
      await environment.close();
    },
  };
}

/** Runs a check until it passes, or fails twice in a row on a file that has not changed meanwhile. */
async function whenStill(file: string, check: () => void): Promise<void> {
  let failedOn: Buffer | undefined;
  for (let checks = 1; ; checks++) {
    const beginning = beginningOf(file);
    try {
      check();
      return;
    } catch (error) {
      if (!(error instanceof LeiniaoError) || failedOn?.equals(beginning)) throw error;
      if (checks === limits.snapshotChecksMax) {
        const message = `${file} is being written too fast to be checked; try again (${error.message})`;
        throw new LeiniaoError('data_dir_locked', message, { cause: error });
      }
    }
    failedOn = beginning;
    await delay(limits.snapshotCheckPauseMs);
  }
}

/** The two meta pages: one of them changes with every transaction. */
function beginningOf(file: string): Buffer {
  const bytes = Buffer.alloc(2 * pageBytes);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return bytes;
}
