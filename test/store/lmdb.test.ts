/** What a database is opened on, what it is not, and what its failures mean. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Journal } from '../../dist/store/journal.js';
import { lmdbFailure } from '../../dist/store/lmdb.js';
import { newestTransaction } from '../../dist/store/lmdb-check.js';
import { openSnapshot } from '../../dist/store/lmdb-snapshot.js';
import { chain, storeId } from '../support/commits.js';
import { bytesInUse, changed, data, journalOf, openAll } from '../support/journals.js';
import { tempDir } from '../support/temp-dir.js';

test('a database that was cut short anywhere is refused as damaged, and kills nobody', async () => {
  const folder = tempDir();
  const whole = join(folder, 'whole');
  await journalOf(whole, 200);
  const size = bytesInUse(readFileSync(data(whole)));
  expect(size).toBeGreaterThan(40 * 4_096);
  const lengths: number[] = [1, 100, 159, 160, 4_095, 4_096, 4_097, 4_256, 8_191, size - 4_096, size - 1];
  for (let length = 8_192; length < size; length += 3 * 4_096) lengths.push(length);
  const paths = lengths.map((length) => {
    const path = join(folder, `${length}`);
    cpSync(whole, path, { recursive: true });
    truncateSync(data(path), length);
    return path;
  });
  const results = openAll([whole, ...paths]);
  expect(results.shift()).toEqual({ commits: 200 });
  for (const [i, result] of results.entries()) {
    expect(result).toMatchObject({ code: 'data_dir_damaged' });
    expect((result as { message: string }).message).toContain(paths[i]);
  }
});

test('a file that is no database is refused as damaged, and left as it is', async () => {
  const folder = tempDir();
  const contents = [Buffer.from('not a database'), Buffer.alloc(20_000), Buffer.alloc(20_000, 0xff)];
  const paths: string[] = [];
  for (const [i, bytes] of contents.entries()) {
    const path = join(folder, `${i}`);
    await journalOf(path, 0);
    writeFileSync(data(path), bytes);
    paths.push(path);
  }
  for (const result of openAll(paths)) expect(result).toMatchObject({ code: 'data_dir_damaged' });
  for (const [i, bytes] of contents.entries()) expect(readFileSync(data(paths[i]!)).equals(bytes)).toBe(true);
});

test('a database that is longer than it says is as good as any', async () => {
  const path = join(tempDir(), 'journal');
  await journalOf(path, 3);
  writeFileSync(data(path), Buffer.alloc(3 * 4_096), { flag: 'a' });
  expect(openAll([path])).toEqual([{ commits: 3 }]);
});

test('a database without one of its two meta pages is refused: the newest commit may be gone with it', async () => {
  const folder = tempDir();
  await journalOf(join(folder, 'whole'), 5);
  const paths = [0, 1].map((page) => {
    const path = join(folder, `${page}`);
    cpSync(join(folder, 'whole'), path, { recursive: true });
    const bytes = readFileSync(data(path));
    bytes.fill(0, page * 4_096, (page + 1) * 4_096);
    writeFileSync(data(path), bytes);
    return path;
  });
  for (const result of openAll(paths)) expect(result).toMatchObject({ code: 'data_dir_damaged' });
});

test('the newest transaction is the newer of two, whichever of the two pages it is on', async () => {
  const path = tempDir();
  const journal = await Journal.open({ path, storeId, shard: 0, visit: () => undefined });
  const file = openSync(data(path), 'r');
  for (const [i, record] of chain([10, 3_000, 10, 3_000]).entries()) {
    const before = newestTransaction(file);
    journal.append(i + 1, [record]);
    expect(newestTransaction(file)).toBe(before + 1n);
  }
  closeSync(file);
  await journal.close();
});

describe('a commit whose last write failed', () => {
  // The meta pages: page 0 and 1; the transaction stands at byte 152 of each, the last page of the file at 144.
  const transactionOf = (bytes: Buffer, page: number) => bytes.readBigUInt64LE(page * 4_096 + 152);

  test('is there when the journal is opened again: its page is finished', async () => {
    const path = join(tempDir(), 'journal');
    await journalOf(path, 20);
    const bytes = readFileSync(data(path));
    const newest = transactionOf(bytes, 0) > transactionOf(bytes, 1) ? 0 : 1;
    // What LMDB leaves: the page says that it is of the transaction before last, and knows no more of the file than that.
    const page = changed(bytes, [
      [newest * 4_096 + 152, transactionOf(bytes, newest) - 2n],
      [newest * 4_096 + 144, bytes.readBigUInt64LE((1 - newest) * 4_096 + 144)],
    ]);
    // The file may be longer than what is in use.
    const failed = Buffer.concat([page, Buffer.alloc(3 * 4_096)]);
    writeFileSync(data(path), failed);
    // Who only reads leaves it to who writes, and does not call it damage.
    await expect(openSnapshot<number>(path, 'commits')).rejects.toMatchObject({
      code: 'data_dir_unwritable',
      message: expect.stringContaining('finishes it'),
    });
    expect(readFileSync(data(path)).equals(failed)).toBe(true);
    expect(openAll([path])).toEqual([{ commits: 20 }]);
    // And stays so, with what is behind it still free.
    expect(bytesInUse(readFileSync(data(path)))).toBe(bytesInUse(bytes));
    expect(transactionOf(readFileSync(data(path)), newest)).toBe(transactionOf(bytes, newest));
    expect(openAll([path])).toEqual([{ commits: 20 }]);
  });

  test('and whose pages are not all there, is not guessed at', async () => {
    const path = join(tempDir(), 'journal');
    await journalOf(path, 20);
    const bytes = readFileSync(data(path));
    const newest = transactionOf(bytes, 0) > transactionOf(bytes, 1) ? 0 : 1;
    const root = Number(bytes.readBigUInt64LE(newest * 4_096 + 96 + 40));
    const failed = changed(bytes, [[newest * 4_096 + 152, transactionOf(bytes, newest) - 2n]]);
    failed.fill(0xff, root * 4_096 + 24, (root + 1) * 4_096);
    writeFileSync(data(path), failed);
    expect(openAll([path])).toMatchObject([{ code: 'data_dir_damaged' }]);
    expect(readFileSync(data(path)).equals(failed)).toBe(true);
  });
});

test.each([1n, 2n, 5n])(
  'a number of transactions that went back by %i loses no commit: nothing is written, and it is opened again',
  async (back) => {
    const path = join(tempDir(), 'journal');
    const records = chain(Array.from({ length: 9 }, () => 3));
    const journal = await Journal.open({ path, storeId, shard: 0, visit: () => undefined });
    for (const [i, record] of records.slice(0, 8).entries()) journal.append(i + 1, [record]);
    // What whoever opens the environment does to it in the moment of a commit: the number is in the file that all share.
    const shared = openSync(join(path, 'lock.mdb'), 'r+');
    const bytes = Buffer.alloc(8);
    readSync(shared, bytes, 0, 8, 8);
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE() - back);
    writeSync(shared, bytes, 0, 8, 8);
    closeSync(shared);
    expect(() => journal.append(9, [records[8]!])).toThrow('has to be opened again');
    await journal.close();
    const found: number[] = [];
    const again = await Journal.open({ path, storeId, shard: 0, visit: ({ number }) => found.push(number) });
    expect(found).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    again.append(9, [records[8]!]);
    await again.close();
    expect(openAll([path])).toEqual([{ commits: 9 }]);
  },
);

test('a database that is new is opened without a change to its first pages', async () => {
  const path = join(tempDir(), 'journal');
  await journalOf(path, 0);
  const before = readFileSync(data(path));
  expect(openAll([path])).toEqual([{ commits: 0 }]);
  expect(readFileSync(data(path)).equals(before)).toBe(true);
});

test('a list of readers that cannot be written is refused, and kills nobody who reads or writes', async () => {
  const path = join(tempDir(), 'journal');
  await journalOf(path, 2);
  const readers = join(path, 'lock.mdb');
  rmSync(readers);
  mkdirSync(readers);
  expect(openAll([path])).toMatchObject([
    { code: 'data_dir_unwritable', message: expect.stringContaining(readers) },
  ]);
  await expect(openSnapshot<number>(path, 'commits')).rejects.toMatchObject({
    code: 'data_dir_unwritable',
    message: expect.stringContaining(readers),
  });
  rmSync(readers, { recursive: true });
  expect(openAll([path])).toEqual([{ commits: 2 }]);
});

test('with hardly any files left to open a database is not opened, and that kills nobody', async () => {
  const path = join(tempDir(), 'journal');
  await journalOf(path, 2);
  const script = join(import.meta.dirname, '../support/few-descriptors.mjs');
  const command = 'ulimit -n 1024; exec "$0" "$@"';
  const { stdout, signal } = spawnSync('sh', ['-c', command, process.execPath, script, path], {
    encoding: 'utf8',
  });
  expect(signal).toBeNull();
  const outcomes = JSON.parse(stdout) as string[];
  expect(new Set(outcomes)).toEqual(new Set(['data_dir_unwritable', 'opened']));
  // With none left at first, and with all of them in the end.
  expect([outcomes[0], outcomes.at(-1)]).toEqual(['data_dir_unwritable', 'opened']);
  expect(openAll([path])).toEqual([{ commits: 2 }]);
});

test.each([
  ['a page that is none', { code: -30_796 }, 'data_dir_damaged'],
  ['words of its own', {}, 'data_dir_damaged'],
  ['a database as large as it may be', { code: -30_792 }, 'data_dir_full'],
  ['more readers than it keeps a list of', { code: -30_790 }, 'data_dir_unwritable'],
  ['a place in that list that is taken', { code: -30_783 }, 'data_dir_unwritable'],
  ['an environment that has to be opened again', { code: -30_795 }, 'data_dir_unwritable'],
  ['a file that Node.js cannot open', { code: 'EMFILE', errno: -24 }, 'data_dir_unwritable'],
  ['a disk that is full', { code: 28 }, 'data_dir_full'],
  ['a file that is not to be read', { code: 13 }, 'data_dir_unwritable'],
  [
    'a list of readers that has its process id',
    { message: 'No transaction to renew' },
    'data_dir_unwritable',
  ],
  ['the same, later', { message: 'No current read transaction available' }, 'data_dir_unwritable'],
])('what LMDB throws at %s counts as damage, or as what may be over', (_, error, code) => {
  const cause = Object.assign(new Error('LMDB says no'), error);
  expect(lmdbFailure('here', cause)).toMatchObject({
    code,
    cause,
    message: expect.stringMatching(/^here: /),
  });
});
