/** Journals for tests of files that are not whole: written here, damaged by the test, opened in a process of their own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Journal } from '../../dist/store/journal.js';
import { chain, storeId } from './commits.js';

const script = join(import.meta.dirname, 'open-journals.mjs');

export type Result = { commits: number } | { code: string; message: string };

/**
 * Opens the folders in a new process, which must come to its own end. LMDB maps the file, so what goes wrong there
 * may kill the process.
 *
 * @param mode `append`: and adds a commit to each, which must be there when it is opened again, with all before it
 */
export function openAll(paths: readonly string[], mode: 'look' | 'append' = 'look'): Result[] {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [script, storeId, mode, ...paths], {
    encoding: 'utf8',
  });
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: '' });
  return JSON.parse(stdout) as Result[];
}

/** A journal of `commits` commits, written in as many transactions. */
export async function journalOf(path: string, commits: number): Promise<void> {
  const journal = await Journal.open({ path, storeId, shard: 0, visit: () => undefined });
  // The last commit is a large one: only the newer of the two meta pages knows how far the file reaches.
  const counts = Array.from({ length: commits }, (_, i) => (i === commits - 1 ? 8_000 : 100));
  for (const [i, record] of chain(counts).entries()) {
    journal.append(i + 1, [record]);
  }
  await journal.close();
}

export const data = (path: string) => join(path, 'data.mdb');

/** Where the newer of the two meta pages begins (MDB_meta of LMDB's mdb.c; see `lmdb-layout.ts`). */
const newestMetaAt = (bytes: Buffer) =>
  bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(4_096 + 152) ? 0 : 4_096;

/** Where things stand in a database: see `lmdb-layout.ts`. */
export const placesIn = (bytes: Buffer) => {
  const newest = newestMetaAt(bytes);
  const rootAt = (state: number, at: number) => Number(bytes.readBigUInt64LE(state + at + 40)) * 4_096;
  const main = rootAt(newest, 96);
  /** Of the only node of the main database: 8 bytes of head, "commits" and a zero, and the table's record. */
  const table = main + 24 + bytes.readUInt16LE(main + 24) + 8;
  return { main, table, olderMain: rootAt(4_096 - newest, 96), free: rootAt(newest, 48) };
};

/** The file with words of 64 bits changed. */
export function changed(bytes: Buffer, words: readonly (readonly [at: number, value: bigint])[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const [at, value] of words) copy.writeBigUInt64LE(value, at);
  return copy;
}

/** How many bytes of a database are in use, by the newer of its meta pages: the file may be longer. */
export function bytesInUse(bytes: Buffer): number {
  const newest = newestMetaAt(bytes);
  return (Number(bytes.readBigUInt64LE(newest + 144)) + 1) * 4_096;
}
