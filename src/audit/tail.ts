/**
 * The tail of durability `commit`: commit records on their way to LMDB, one after the other in a file. An engine appends
 * to it and empties it while we read; then what was emptied is in LMDB.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { CannotAudit } from './cannot-audit.js';
import { commitHeadBytes, lengthOf } from './chain.js';
import { tailReadingsMax } from './contract.js';

export interface Tail {
  /** Whole records, oldest first. */
  readonly records: readonly Buffer[];
  /** Bytes at the end that are no whole record: torn off by a power cut, or still being written. */
  readonly tornBytes: number;
}

/** @throws CannotAudit when the file is emptied each time while it is read */
export function readTail(path: string): Tail {
  const bytes = readWhole(path);
  const records: Buffer[] = [];
  let at = 0;
  while (at + commitHeadBytes <= bytes.length) {
    const end = at + lengthOf(bytes, at);
    if (end > bytes.length) break;
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return { records, tornBytes: bytes.length - at };
}

/** The tails that an engine put aside in a shard's folder because they did not continue the chain to their end, by path. */
export function tornTailsIn(path: string): string[] {
  const names = readdirSync(path).filter((name) => name.startsWith('tail.bin.torn-'));
  return names.sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => join(path, name));
}

function readWhole(path: string): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    for (let readings = 1; ; readings++) {
      const bytes = Buffer.alloc(fstatSync(descriptor).size);
      let read = 0;
      for (let got = -1; got !== 0 && read < bytes.length; read += got) {
        got = readSync(descriptor, bytes, read, bytes.length - read, read);
      }
      // A file that is shorter now was emptied: old bytes and new ones may have been mixed.
      if (fstatSync(descriptor).size >= bytes.length) return bytes.subarray(0, read);
      if (readings === tailReadingsMax) {
        throw new CannotAudit(`${path} is emptied too fast to be read; try again`);
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
