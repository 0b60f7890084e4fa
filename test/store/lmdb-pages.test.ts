/** Damage in the pages of a database: it is found before LMDB reads them, or changes nothing. */

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everyRecord, openEnvironment, tableOptions } from '../../dist/store/lmdb.js';
import { effort } from '../support/effort.js';
import { changed, data, journalOf, openAll, placesIn, type Result } from '../support/journals.js';
import { wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';

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
  const paths = leaves.map((page) => {
    const path = join(folder, `${page}`);
    cpSync(whole, path, { recursive: true });
    writeFileSync(data(path), Buffer.from(bytes).fill(0xff, page * 4_096, (page + 1) * 4_096));
    return path;
  });
  // Some of the pages are free.
  const found = openAll(paths).map((result) => ('commits' in result ? result.commits : result.code));
  expect(new Set(found)).toEqual(new Set([200, 'data_dir_damaged']));
});

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
  let spoilt: Buffer[];
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
    spoilt = paths.map((path) => readFileSync(data(path)));
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
    expect(readFileSync(data(join(home, `damaged-${i}`))).equals(spoilt[i]!)).toBe(true);
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
    const copy = Buffer.from(bytes);
    damage.copy(copy, at);
    writeFileSync(data(path), copy);
    return path;
  });
  for (const [i, result] of openAll(paths, 'append').entries()) {
    if ('commits' in result) expect([damages[i]![0], result]).toEqual([damages[i]![0], { commits: 200 }]);
    else expect(result.code).toBe('data_dir_damaged');
  }
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
