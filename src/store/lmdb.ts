/**
 * The one place that opens LMDB. A transaction that returned is on disk: see `openEnvironment`. Called by the thread that
 * owns the environment.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open as openLmdb, type RootDatabase } from 'lmdb';
import { LeiniaoError } from '../errors.js';

/** LMDB's own name for the file in an environment's folder. */
export const databaseFile = 'data.mdb';

export type Environment = RootDatabase<Buffer, string>;
export type NumberedRecords = Database<Buffer, number>;
export type NamedRecords = Database<Buffer, string>;

/**
 * Opens an environment in folder `path`, made if missing. `overlappingSync: false` makes LMDB flush the data
 * and then write its meta page through O_DSYNC before a synchronous transaction returns.
 *
 * @throws LeiniaoError `data_dir_damaged` when the file is not a whole LMDB database
 */
export function openEnvironment(path: string, bytesMax: number): Environment {
  mkdirSync(path, { recursive: true });
  checkWhole(join(path, databaseFile));
  try {
    return openLmdb<Buffer, string>({
      path,
      mapSize: bytesMax,
      maxDbs: 2,
      pageSize: pageBytes,
      encoding: 'binary',
      overlappingSync: false,
      compression: false,
      noSubdir: false,
    });
  } catch (cause) {
    throw new LeiniaoError('data_dir_damaged', `${path}: ${(cause as Error).message}`, { cause });
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

/** We ask for this size when a database is made, so that the second meta page is where we look for it. */
const pageBytes = 4096;
const metaMagic = 0xbeefc0de;
/** From the page's start: page header of 24 bytes, then MDB_meta, as the LMDB in npm `lmdb` 3 lays them out. */
const meta = { magic: 24, lastPage: 144, transaction: 152, bytes: 160 } as const;

/**
 * Refuses a database file shorter than its newest meta page says. LMDB maps the file, and touching a page
 * beyond the end would kill the process with SIGBUS instead of failing.
 */
function checkWhole(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new LeiniaoError('data_dir_unwritable', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size === 0) return;
    const head = Buffer.alloc(pageBytes + meta.bytes);
    const read = readSync(descriptor, head, 0, head.length, 0);
    const metas = [0, pageBytes].filter(
      (at) => at + meta.bytes <= read && head.readUInt32LE(at + meta.magic) === metaMagic,
    );
    if (metas.length === 0) throw new LeiniaoError('data_dir_damaged', `${file} is not a database`);
    const newest = metas.reduce((a, b) =>
      head.readBigUInt64LE(b + meta.transaction) > head.readBigUInt64LE(a + meta.transaction) ? b : a,
    );
    const needed = (head.readBigUInt64LE(newest + meta.lastPage) + 1n) * BigInt(pageBytes);
    if (BigInt(size) < needed) {
      throw new LeiniaoError('data_dir_damaged', `${file} is cut short: ${size} of ${needed} bytes`);
    }
  } finally {
    closeSync(descriptor);
  }
}
