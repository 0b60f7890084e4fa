/**
 * A database file that is not whole. LMDB maps the file, so what goes wrong may kill the process: each case is opened in
 * a process of its own.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Journal } from '../../dist/store/journal.js';
import { everyRecord, lmdbFailure, openEnvironment, tableOptions } from '../../dist/store/lmdb.js';
import { openSnapshot } from '../../dist/store/lmdb-snapshot.js';
import { chain, storeId } from '../support/commits.js';
import { effort } from '../support/effort.js';
import { wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';

const script = join(import.meta.dirname, '../support/open-journals.mjs');

type Result = { commits: number } | { code: string; message: string };

/**
 * Opens the folders in a new process, which must come to its own end.
 *
 * @param mode `append`: and adds a commit to each, which must be there when it is opened again, with all before it
 */
function openAll(paths: readonly string[], mode: 'look' | 'append' = 'look'): Result[] {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [script, storeId, mode, ...paths], {
    encoding: 'utf8',
  });
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: '' });
  return JSON.parse(stdout) as Result[];
}

/** A journal of `commits` commits, written in as many transactions. */
async function journalOf(path: string, commits: number): Promise<void> {
  const journal = await Journal.open({ path, storeId, shard: 0, visit: () => undefined });
  // The last commit is a large one: only the newer of the two meta pages knows how far the file reaches.
  const counts = Array.from({ length: commits }, (_, i) => (i === commits - 1 ? 8_000 : 100));
  for (const [i, record] of chain(counts).entries()) {
    journal.append(i + 1, [record]);
  }
  await journal.close();
}

const data = (path: string) => join(path, 'data.mdb');

test('a database that was cut short anywhere is refused as damaged, and kills nobody', async () => {
  const folder = tempDir();
  const whole = join(folder, 'whole');
  await journalOf(whole, 200);
  const { size } = statSync(data(whole));
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

test('a database with a spoilt page never opens as a shorter history: what was sold would be sold again', async () => {
  const folder = tempDir();
  const whole = join(folder, 'whole');
  await journalOf(whole, 200);
  const bytes = readFileSync(data(whole));
  // A page starts with a head of 24 bytes; in it, at byte 18, stand its flags: 2 is a leaf, which lists records.
  const leaves = Array.from({ length: bytes.length / 4_096 }, (_, page) => page).filter(
    (page) => page > 1 && bytes.readUInt16LE(page * 4_096 + 18) === 2,
  );
  expect(leaves.length).toBeGreaterThan(5);
  const found: (number | string)[] = [];
  for (const page of leaves.slice(0, 6)) {
    const path = join(folder, `${page}`);
    cpSync(whole, path, { recursive: true });
    writeFileSync(data(path), Buffer.from(bytes).fill(0xff, page * 4_096, (page + 1) * 4_096));
    // LMDB may well end the process, where it notices by itself.
    const { stdout } = spawnSync(process.execPath, [script, storeId, 'look', path], {
      encoding: 'utf8',
    });
    const [result] = JSON.parse(stdout === '' ? '[{"code":"ended"}]' : stdout) as [Result];
    found.push('commits' in result ? result.commits : 'refused');
  }
  expect(found.filter((commits) => commits !== 200 && commits !== 'refused')).toEqual([]);
  expect(found).toContain('refused');
});

test('a database that is longer than it says is as good as any', async () => {
  const path = join(tempDir(), 'journal');
  await journalOf(path, 3);
  writeFileSync(data(path), Buffer.alloc(3 * 4_096), { flag: 'a' });
  expect(openAll([path])).toEqual([{ commits: 3 }]);
});

/** Where things stand in a database: see `lmdb-layout.ts`. */
const placesIn = (bytes: Buffer) => {
  const newest = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(4_096 + 152) ? 0 : 4_096;
  const rootAt = (state: number, at: number) => Number(bytes.readBigUInt64LE(state + at + 40)) * 4_096;
  const main = rootAt(newest, 96);
  /** Of the only node of the main database: 8 bytes of head, "commits" and a zero, and the table's record. */
  const table = main + 24 + bytes.readUInt16LE(main + 24) + 8;
  return { main, table, olderMain: rootAt(4_096 - newest, 96), free: rootAt(newest, 48) };
};

describe('one byte that says something else is found, and nobody starts with less than there was', () => {
  type Places = ReturnType<typeof placesIn>;
  /** @param commits 60 where nothing is said */
  const damages: [string, (bytes: Buffer, places: Places) => void, commits?: number][] = [
    ['the name of the table', (bytes, { table }) => bytes.write('k', table)],
    ['a flag of the table', (bytes, { table }) => bytes.writeUInt8(bytes[table + 12]! ^ 2, table + 12)],
    ['the depth of the table', (bytes, { table }) => bytes.writeUInt8(bytes[table + 14]! + 1, table + 14)],
    ['the depth of a table that is one page', (bytes, { table }) => bytes.writeUInt8(0, table + 14), 3],
    ['the depth of an empty table', (bytes, { table }) => bytes.writeUInt8(1, table + 14), 0],
    ['what kind of node it is in', (bytes, { table }) => bytes.writeUInt8(6, table - 4)],
    // It then looks like the state that comes after the newest, whose commit failed in its last write.
    [
      'the age of the root before',
      (bytes, { olderMain, main }) => {
        expect(bytes.readBigUInt64LE(olderMain + 8)).toBe(bytes.readBigUInt64LE(main + 8) - 1n);
        bytes.writeBigUInt64LE(bytes.readBigUInt64LE(main + 8) + 1n, olderMain + 8);
      },
    ],
    // LMDB then writes to it in place, or not at all.
    [
      'the age of a page in use',
      (bytes, { table, main }) => {
        const root = Number(bytes.readBigUInt64LE(table + 8 + 40)) * 4_096;
        bytes.writeBigUInt64LE(bytes.readBigUInt64LE(main + 8) + 1n, root + 8);
      },
    ],
    // LMDB's mark of one that was taken up and given back in the same transaction.
    ['the flags of a page', (bytes, { main }) => bytes.writeUInt8(0x40, main + 19)],
    // So that it reaches into the next one.
    [
      'the size of a record',
      (bytes, { free }) => {
        const [first, second] = [0, 2]
          .map((at) => free + 24 + bytes.readUInt16LE(free + 24 + at))
          .sort((a, b) => a - b) as [number, number];
        expect(second).toBeGreaterThan(first);
        bytes.writeUInt32LE(bytes.readUInt32LE(first) + 16, first);
      },
    ],
    [
      'the size of a list of free pages',
      (bytes, { free }) => {
        const node = free + 24 + bytes.readUInt16LE(free + 24);
        bytes.writeUInt32LE(bytes.readUInt32LE(node) - 1, node);
      },
    ],
    [
      'the size of its key',
      (bytes, { free }) => bytes.writeUInt16LE(0, free + 24 + bytes.readUInt16LE(free + 24) + 6),
    ],
    // As if pages would become free in a transaction that has not been.
    [
      'its key',
      (bytes, { free }) => {
        const last = free + 24 + bytes.readUInt16LE(free + 24 + bytes.readUInt16LE(free + 20) - 2);
        bytes.writeUInt8(0x7f, last + 8 + 5);
      },
    ],
  ];
  const home = makeTempDir();
  let results: Result[];
  let changed: Buffer[];
  beforeAll(async () => {
    for (const commits of new Set(damages.map(([, , count = 60]) => count)))
      await journalOf(join(home, `${commits}`), commits);
    const paths = damages.map(([, damage, commits = 60], i) => {
      const path = join(home, `damaged-${i}`);
      cpSync(join(home, `${commits}`), path, { recursive: true });
      const bytes = readFileSync(data(path));
      damage(bytes, placesIn(bytes));
      writeFileSync(data(path), bytes);
      return path;
    });
    changed = paths.map((path) => readFileSync(data(path)));
    results = openAll(paths, 'append');
  });
  afterAll(() => removeTempDir(home));

  test('and none without it is', () => {
    expect(openAll(['0', '3', '60'].map((commits) => join(home, commits)))).toEqual([
      { commits: 0 },
      { commits: 3 },
      { commits: 60 },
    ]);
  });

  test.each(damages.map(([what], i) => [what, i] as const))('%s', (_, i) => {
    expect(results[i]).toMatchObject({ code: 'data_dir_damaged' });
    expect(readFileSync(data(join(home, `damaged-${i}`))).equals(changed[i]!)).toBe(true);
  });
});

test(`a catalogue is opened whatever its ids and sizes are, and not with a byte of its name changed (LEINIAO_TEST_SEED=${seed})`, async () => {
  const path = join(tempDir(), 'catalogue');
  const random = wholeNumbersFrom(seed);
  const wanted = new Map<string, Buffer>();
  for (let open = 0; open < 6; open++) {
    const environment = openEnvironment(path, 'sales');
    const sales = environment.openDB<Buffer, string>(tableOptions('sales'));
    const read = [...everyRecord(sales)].map(({ key, value }) => [key, value.toString('hex')]);
    expect(new Map(read as [string, string][])).toEqual(
      new Map([...wanted].map(([id, bytes]) => [id, bytes.toString('hex')])),
    );
    for (let put = 0; put < 60; put++) {
      // Few letters, so that ids begin others and come twice; some records want pages of their own.
      const id = Array.from(
        { length: 1 + random(random(2) === 0 ? 4 : 64) },
        () => 'aAz-_.9'[random(7)],
      ).join('');
      const bytes = Buffer.alloc(random(8) === 0 ? 4_000 + random(20_000) : 40 + random(400), random(256));
      wanted.set(id, bytes);
      sales.putSync(id, bytes);
    }
    await environment.close();
  }
  const bytes = readFileSync(data(path));
  bytes.write('t', placesIn(bytes).table);
  writeFileSync(data(path), bytes);
  expect(() => openEnvironment(path, 'sales')).toThrow('has a table that it should not have');
});

test(`one damaged byte or page anywhere kills nobody, and nothing is read that was not written (LEINIAO_TEST_SEED=${seed})`, async () => {
  const folder = tempDir();
  const whole = join(folder, 'whole');
  await journalOf(whole, 200);
  const bytes = readFileSync(data(whole));
  const pages = Math.floor(bytes.length / 4_096);
  const random = wholeNumbersFrom(seed);
  const damages = Array.from({ length: effort(200, 400) }, (_, i): [at: number, with_: Buffer] => {
    // Headers and the beginnings of pages are where structure is; anything else is content.
    const page = random(pages);
    if (i % 4 === 0) return [page * 4_096, Buffer.alloc(4_096)];
    const at = page * 4_096 + (i % 4 === 1 ? random(4_096) : random(64));
    return [at, Buffer.of(bytes[at]! ^ (1 << random(8)))];
  });
  const paths = damages.map(([at, damage], i) => {
    const path = join(folder, `${i}`);
    cpSync(whole, path, { recursive: true });
    const changed = Buffer.from(bytes);
    damage.copy(changed, at);
    writeFileSync(data(path), changed);
    return path;
  });
  for (const [i, result] of openAll(paths, 'append').entries()) {
    if ('commits' in result) expect([damages[i]![0], result]).toEqual([damages[i]![0], { commits: 200 }]);
    else expect(result.code).toBe('data_dir_damaged');
  }
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

/** The file with words of 64 bits changed. */
function changed(bytes: Buffer, words: readonly (readonly [at: number, value: bigint])[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const [at, value] of words) copy.writeBigUInt64LE(value, at);
  return copy;
}

describe('a commit whose last write failed', () => {
  // The meta pages: page 0 and 1; the transaction stands at byte 152 of each, the last page of the file at 144.
  const transactionOf = (bytes: Buffer, page: number) => bytes.readBigUInt64LE(page * 4_096 + 152);

  test('is there when the journal is opened again: its page is finished', async () => {
    const path = join(tempDir(), 'journal');
    await journalOf(path, 20);
    const bytes = readFileSync(data(path));
    const newest = transactionOf(bytes, 0) > transactionOf(bytes, 1) ? 0 : 1;
    // What LMDB leaves: the page says that it is of the transaction before last, and knows no more of the file than that.
    const failed = changed(bytes, [
      [newest * 4_096 + 152, transactionOf(bytes, newest) - 2n],
      [newest * 4_096 + 144, bytes.readBigUInt64LE((1 - newest) * 4_096 + 144)],
    ]);
    writeFileSync(data(path), failed);
    // Who only reads leaves it to who writes, and does not call it damage.
    await expect(openSnapshot<number>(path, 'commits')).rejects.toMatchObject({
      code: 'data_dir_unwritable',
      message: expect.stringContaining('finishes it'),
    });
    expect(readFileSync(data(path)).equals(failed)).toBe(true);
    expect(openAll([path])).toEqual([{ commits: 20 }]);
    // And stays so.
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

test('a list of free pages that names pages in use, or that has no end, is damage', async () => {
  const folder = tempDir();
  const whole = join(folder, 'whole');
  await journalOf(whole, 60);
  const bytes = readFileSync(data(whole));
  const mainRoot = BigInt(placesIn(bytes).main / 4_096);
  const leaf = placesIn(bytes).free;
  // The first node of the leaf: 8 bytes of head, a key of 8, and then the list, which begins with its length.
  const list = leaf + 24 + bytes.readUInt16LE(leaf + 24) + 16;
  const words = Number(bytes.readBigUInt64LE(list));
  expect(words).toBeGreaterThan(0);
  const entries = Array.from({ length: words }, (_, i) => list + 8 * (i + 1));
  const free = entries.find((at) => bytes.readBigInt64LE(at) > 0n)!;
  const damages: (readonly [number, bigint])[] = [
    [free, mainRoot],
    [free, 1n],
    [free, 2n ** 40n],
    [list, 2n ** 64n - 1n],
    [list, 0x7fffffffn],
    // A page that is free twice, a number of pages that no page follows, and one that no number can hold exactly.
    [free, bytes.readBigInt64LE(entries.find((at) => at > free && bytes.readBigInt64LE(at) > 0n)!)],
    [entries.at(-1)!, 2n ** 64n - 2n],
    [free, 2n ** 53n + bytes.readBigUInt64LE(free)],
  ];
  const paths = damages.map((damage, i) => {
    const path = join(folder, `${i}`);
    cpSync(whole, path, { recursive: true });
    writeFileSync(data(path), changed(bytes, [damage]));
    return path;
  });
  expect(openAll([whole])).toEqual([{ commits: 60 }]);
  for (const result of openAll(paths)) expect(result).toMatchObject({ code: 'data_dir_damaged' });
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
