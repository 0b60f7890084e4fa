/**
 * A database that cannot be written and not be opened either, as on a disk that fails for a while: its newest beginning
 * says that it is of a transaction that never was. LMDB itself, which holds the file in memory, is not hurt by it.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { databaseFile } from '../../dist/store/lmdb.js';
import { meta, pageBytes } from '../../dist/store/lmdb-layout.js';

/** Spoils the database in folder `path`. Returns what mends it again. */
export function makeUnreadable(path: string): () => void {
  const descriptor = openSync(join(path, databaseFile), 'r+');
  const beginnings = Buffer.alloc(2 * pageBytes);
  readSync(descriptor, beginnings, 0, beginnings.length, 0);
  const transactionOf = (page: number) => beginnings.readBigUInt64LE(page * pageBytes + meta.transaction);
  const newest = transactionOf(0) > transactionOf(1) ? 0 : 1;
  const spoilt = Buffer.alloc(8);
  spoilt.writeBigUInt64LE(transactionOf(newest) + 100n);
  writeSync(descriptor, spoilt, 0, spoilt.length, newest * pageBytes + meta.transaction);
  return () => {
    writeSync(descriptor, beginnings, 0, beginnings.length, 0);
    closeSync(descriptor);
  };
}
