/** The room that a journal's file is given ahead of its commits, on a real disk. */
import fs, {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { limits } from '../../dist/config.js';
import { Journal } from '../../dist/store/journal.js';
import { newestState } from '../../dist/store/lmdb-check.js';
import { RoomAhead } from '../../dist/store/preallocation.js';
import { chain, seen, seenOf, storeId } from '../support/commits.js';
import { effort } from '../support/effort.js';
import { bytesInUse, data } from '../support/journals.js';
import { seeded } from '../support/random.js';
import { seed } from '../support/seed.js';
import { tempDir } from '../support/temp-dir.js';

async function openJournal(path: string) {
  const commits: ReturnType<typeof seen>[] = [];
  const journal = await Journal.open({
    ...{ path, storeId, shard: 0 },
    visit: (commit) => commits.push(seen(commit)),
  });
  return { journal, commits };
}

const fileBytes = (path: string) => statSync(data(path)).size;
const used = (path: string) => bytesInUse(readFileSync(data(path)));

test('many small commits find room in the file, and only few of them make it longer', async () => {
  const path = tempDir();
  const { journal } = await openJournal(path);
  const records = chain(Array.from({ length: 200 }, () => 1_000));
  let longer = 0;
  for (const [i, record] of records.entries()) {
    const before = fileBytes(path);
    journal.append(i + 1, [record]);
    if (fileBytes(path) === before) continue;
    longer += 1;
    // Made longer ahead, not by LMDB as it went.
    expect(fileBytes(path) - used(path)).toBeGreaterThan(limits.preallocatedBytes / 2);
  }
  const bytes = used(path);
  expect(bytes).toBeGreaterThan(2 * limits.preallocatedBytes);
  // What is left of one room when the next begins is not used up: LMDB's own pages may need it.
  expect(longer).toBeLessThanOrEqual(1 + bytes / (limits.preallocatedBytes - 2 * limits.commitPagesBytes));
  expect(fileBytes(path) - bytes).toBeLessThanOrEqual(limits.preallocatedBytes);
  await journal.close();
});

test('what is left of the room is used after a restart', async () => {
  const path = tempDir();
  const records = chain([1, 2, 3]);
  const sizes: number[] = [];
  for (const [i, record] of records.entries()) {
    const { journal } = await openJournal(path);
    journal.append(i + 1, [record]);
    await journal.close();
    sizes.push(fileBytes(path));
  }
  expect(new Set(sizes).size).toBe(1);
  const { journal, commits } = await openJournal(path);
  await journal.close();
  expect(commits).toEqual(records.map(seenOf));
});

test('a large commit is not written twice', async () => {
  const path = tempDir();
  const { journal } = await openJournal(path);
  const records = chain([8_000, 8_000, 8_000]);
  expect(Buffer.concat(records).length).toBeGreaterThan(limits.preallocatedForBytesMax);
  journal.append(1, records);
  expect(fileBytes(path)).toBe(used(path));
  await journal.close();
});

test(seeded('room ahead never touches what a journal has, whatever the sizes of its commits'), async () => {
  const small = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 3 });
  const large = fc.constant([8_000, 8_000, 8_000]);
  const append = fc.oneof({ weight: 5, arbitrary: small }, { weight: 1, arbitrary: large });
  const sessions = fc.array(fc.array(append, { maxLength: 20 }), { maxLength: 4 });
  const holds = fc.asyncProperty(sessions, async (appends) => {
    const path = join(tempDir(), 'shard-000');
    const records = chain(appends.flat(2));
    let next = 0;
    for (const session of appends) {
      const { journal } = await openJournal(path);
      for (const { length } of session) {
        journal.append(next + 1, records.slice(next, next + length));
        next += length;
        expect(fileBytes(path)).toBeGreaterThanOrEqual(used(path));
      }
      await journal.close();
    }
    const { journal, commits } = await openJournal(path);
    await journal.close();
    // As one, because to compare them one by one takes as long as all the rest.
    expect(Buffer.concat(commits.map(({ record }) => record)).equals(Buffer.concat(records))).toBe(true);
  });
  await fc.assert(holds, { numRuns: effort(10, 100), seed });
});

test('room is made where a commit and what LMDB writes beside it would not fit, and not before', () => {
  const path = join(tempDir(), 'file');
  const file = openSync(path, 'w+');
  const used = 10 * 4_096;
  const bytes = 1_000;
  const fits = used + bytes + limits.commitPagesBytes;
  const room = limits.preallocatedBytes;
  const spare = limits.preallocationSpareBytes;
  const sizeAfter = (size: number, commitBytes: number, spareBytes: number) => {
    ftruncateSync(file, size);
    new RoomAhead(path, file).ensure(9, commitBytes, spareBytes);
    return fstatSync(file).size;
  };
  expect(sizeAfter(fits, bytes, spare)).toBe(fits);
  expect(sizeAfter(fits - 1, bytes, spare)).toBe(used + room);
  expect(sizeAfter(used, limits.preallocatedForBytesMax, spare)).toBe(used + room);
  expect(sizeAfter(used, limits.preallocatedForBytesMax + 1, spare)).toBe(used);
  // Nor on a disk that has not so much to spare for all shards at once.
  expect(sizeAfter(used, bytes, spare - 1)).toBe(used);
  closeSync(file);
});

test('room that cannot be made is an error that says where', () => {
  const path = join(tempDir(), 'file');
  closeSync(openSync(path, 'w'));
  const file = openSync(path, 'r');
  const room = new RoomAhead(path, file);
  expect(() => room.ensure(0, 1_000, limits.preallocationSpareBytes)).toThrow(
    expect.objectContaining({ code: 'data_dir_unwritable', message: expect.stringContaining(path) }),
  );
  closeSync(file);
});

describe('the length of a file', () => {
  const fstatSync = vi.spyOn(fs, 'fstatSync');
  beforeEach(() => {
    fstatSync.mockClear();
    syncBuiltinESMExports();
  });
  afterAll(() => {
    fstatSync.mockRestore();
    syncBuiltinESMExports();
  });

  test('is asked for where it is not known to be enough, and not for every commit', async () => {
    const path = tempDir();
    const { journal } = await openJournal(path);
    const records = chain(Array.from({ length: 100 }, () => 1_000));
    let longer = 0;
    for (const [i, record] of records.entries()) {
      const before = fileBytes(path);
      journal.append(i + 1, [record]);
      if (fileBytes(path) > before) longer += 1;
    }
    expect(longer).toBeGreaterThan(1);
    expect(fstatSync).toHaveBeenCalledTimes(longer);
    await journal.close();
  });

  test('is known to the byte, and what LMDB wrote behind it meanwhile is left alone', () => {
    const path = join(tempDir(), 'file');
    const file = openSync(path, 'w+');
    const room = new RoomAhead(path, file);
    const needs = (bytes: number) => {
      const page = 9;
      room.ensure(page, bytes - (page + 1) * 4_096 - limits.commitPagesBytes, limits.preallocationSpareBytes);
    };
    const fitting = 10 * 4_096 + limits.commitPagesBytes + limits.preallocatedForBytesMax;
    writeSync(file, Buffer.alloc(fitting, 7));
    needs(fitting - 1);
    needs(fitting);
    expect(fstatSync).toHaveBeenCalledTimes(1);
    const behind = Buffer.alloc(3 * 4_096, 7);
    writeSync(file, behind, 0, behind.length, fitting);
    room.ensure(10, limits.preallocatedForBytesMax, limits.preallocationSpareBytes);
    expect(fstatSync).toHaveBeenCalledTimes(2);
    expect(statSync(path).size).toBe(fitting + behind.length);
    room.ensure(13, limits.preallocatedForBytesMax, limits.preallocationSpareBytes);
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(14 * 4_096 + limits.preallocatedBytes);
    const written = fitting + behind.length;
    expect(bytes.subarray(0, written).equals(Buffer.alloc(written, 7))).toBe(true);
    closeSync(file);
  });
});

test('a state is the newer of two, whichever of the two pages it is on', async () => {
  const path = tempDir();
  const { journal } = await openJournal(path);
  const file = openSync(data(path), 'r');
  for (const [i, record] of chain([10, 3_000, 10, 3_000]).entries()) {
    const before = newestState(file);
    journal.append(i + 1, [record]);
    const { transaction, lastPage } = newestState(file);
    expect(transaction).toBe(before.transaction + 1n);
    expect(lastPage).toBe(used(path) / 4_096 - 1);
    if (record.length > 4_096) expect(lastPage).toBeGreaterThan(before.lastPage);
  }
  closeSync(file);
  await journal.close();
});
