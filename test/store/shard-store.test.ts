/**
 * The store under its three durabilities, on a real disk. A crash is a copy of the folder taken while the store is
 * open: what another process would find after kill -9.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Durability } from '../../dist/config.js';
import { LeiniaoError } from '../../dist/errors.js';
import { Batch } from '../../dist/store/batch.js';
import type { Commit } from '../../dist/store/chain.js';
import { Journal } from '../../dist/store/journal.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { TailFile } from '../../dist/store/tail.js';
import { chain, fill, storeId } from '../support/commits.js';
import { runs, seeded } from '../support/random.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const flushDelayMs = 50;
let folder: string;
let folders = 0;
beforeAll(() => {
  folder = makeTempDir();
});
afterAll(() => removeTempDir(folder));

const newPath = () => join(folder, `shard-${folders++}`);
const tailOf = (path: string) => join(path, 'tail.bin');

async function openStore(
  path: string,
  durability: Durability,
  visit: (commit: Commit) => void = () => undefined,
) {
  const options = { path, storeId, shard: 0, durability, existing: false, flushDelayMs };
  return await ShardStore.open(options, visit);
}

/** The numbers of the commits that a folder holds. */
async function numbersIn(path: string, durability: Durability = 'fsync'): Promise<number[]> {
  const numbers: number[] = [];
  const store = await openStore(path, durability, (commit) => numbers.push(commit.number));
  await store.close();
  return numbers;
}

/** What a process that starts after kill -9 finds. */
function crashed(path: string): string {
  const copy = newPath();
  cpSync(path, copy, { recursive: true });
  return copy;
}

const batch = new Batch();
function write(store: ShardStore, count: number, timeMs: number): void {
  store.write(fill(batch, timeMs, count), timeMs, timeMs);
  expect(batch.count).toBe(0);
}

test('with durability fsync a batch is in LMDB when write returns', async () => {
  const path = newPath();
  const store = await openStore(path, 'fsync');
  expect(store.flushes).toBe(true);
  write(store, 2, 1_000);
  write(store, 1, 1_001);
  expect(statSync(tailOf(path)).size).toBe(0);
  expect(await numbersIn(crashed(path))).toEqual([1, 2]);
  expect(store.lastTimeMs).toBe(1_001);
  await store.close();
  expect(await numbersIn(path)).toEqual([1, 2]);
});

test('with durability commit a batch is with the operating system when write returns, and in LMDB after a flush', async () => {
  const path = newPath();
  const store = await openStore(path, 'commit');
  expect(store.flushes).toBe(false);
  expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
  write(store, 2, 1_000);
  write(store, 1, 1_020);
  expect(store.flushAtMs).toBe(1_000 + flushDelayMs);
  expect(await numbersIn(crashed(path))).toEqual([1, 2]);
  const withoutTail = crashed(path);
  rmSync(tailOf(withoutTail));
  expect(await numbersIn(withoutTail)).toEqual([]);
  store.flush();
  expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
  expect(statSync(tailOf(path)).size).toBe(0);
  const flushed = crashed(path);
  rmSync(tailOf(flushed));
  expect(await numbersIn(flushed)).toEqual([1, 2]);
  write(store, 1, 1_100);
  expect(store.flushAtMs).toBe(1_100 + flushDelayMs);
  await store.close();
  expect(await numbersIn(path)).toEqual([1, 2, 3]);
});

test('with durability commit closing leaves nothing in the tail', async () => {
  const path = newPath();
  const store = await openStore(path, 'commit');
  write(store, 1, 1_000);
  await store.close();
  expect(statSync(tailOf(path)).size).toBe(0);
  expect(await numbersIn(path)).toEqual([1]);
});

test('what waits for LMDB is bounded: a large tail is flushed before its time', async () => {
  const path = newPath();
  const store = await openStore(path, 'commit');
  let largest = 0;
  let flushes = 0;
  for (let i = 0; i < 120; i++) {
    write(store, 8_000, 1_000);
    const { size } = statSync(tailOf(path));
    if (size === 0) flushes += 1;
    largest = Math.max(largest, size);
  }
  expect(flushes).toBeGreaterThan(0);
  expect(largest).toBeLessThan(4.5 * 1024 * 1024);
  await store.close();
  expect(await numbersIn(path)).toHaveLength(120);
});

test('a tail or a database that cannot be looked at is said to be that', async () => {
  const options = { storeId, shard: 0, durability: 'commit', existing: true, flushDelayMs } as const;
  const open = (path: string) => ShardStore.open({ path, ...options }, () => undefined);
  const unwritable = (file: string) => ({
    code: 'data_dir_unwritable',
    message: expect.stringContaining(file),
  });
  const path = newPath();
  await (await openStore(path, 'commit')).close();
  rmSync(tailOf(path));
  mkdirSync(tailOf(path));
  await expect(open(path)).rejects.toMatchObject(unwritable(tailOf(path)));
  rmSync(tailOf(path), { recursive: true });
  await (await open(path)).close();
  const data = join(path, 'data.mdb');
  rmSync(data);
  symlinkSync(data, data);
  await expect(open(path)).rejects.toMatchObject(unwritable(data));
});

test('with durability memory nothing is written anywhere', async () => {
  const path = newPath();
  const store = await openStore(path, 'memory');
  expect(store.flushes).toBe(false);
  write(store, 2, 1_000);
  store.flush();
  expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
  await store.close();
  expect(existsSync(path)).toBe(false);
});

test('a store goes on with the time and the number of its last commit, the tail’s included', async () => {
  const path = newPath();
  const store = await openStore(path, 'commit');
  write(store, 2, 1_000);
  write(store, 3, 1_001);
  const copy = crashed(path);
  await store.close();
  const again = await openStore(copy, 'fsync');
  expect(again.lastTimeMs).toBe(1_001);
  write(again, 1, 1_002);
  await again.close();
  expect(await numbersIn(copy)).toEqual([1, 2, 3]);
});

describe('a tail', () => {
  const records = chain([1, 2, 1]);
  const tail = Buffer.concat(records);
  const ends = records.map((_, i) => Buffer.concat(records.slice(0, i + 1)).length);

  /** A folder whose LMDB has the first `stored` records, and whose tail has these bytes. */
  async function folderWith(bytes: Buffer, stored = 0): Promise<string> {
    const path = newPath();
    const visit = () => undefined;
    const journal = await Journal.open({ path, storeId, shard: 0, visit });
    journal.append(1, records.slice(0, stored));
    await journal.close();
    writeFileSync(tailOf(path), bytes);
    return path;
  }

  test('torn at any byte gives the records before the tear, and the store goes on behind them', async () => {
    const path = newPath();
    await (await openStore(path, 'fsync')).close();
    const empty = readFileSync(join(path, 'data.mdb'));
    for (let length = 0; length <= tail.length; length++) {
      // Back to a journal with nothing in it.
      writeFileSync(join(path, 'data.mdb'), empty);
      writeFileSync(tailOf(path), tail.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length;
      const numbers: number[] = [];
      const store = await openStore(path, 'commit', (commit) => numbers.push(commit.number));
      expect(numbers).toHaveLength(whole);
      const aside = `${tailOf(path)}.torn-${whole + 1}`;
      expect(existsSync(aside)).toBe(length !== 0 && !ends.includes(length));
      if (existsSync(aside)) {
        expect(readFileSync(aside).equals(tail.subarray(0, length))).toBe(true);
        rmSync(aside);
      }
      if (length % 50 === 0) {
        write(store, 1, 2_000);
        await store.close();
        expect(await numbersIn(path)).toHaveLength(whole + 1);
      } else {
        await store.close();
      }
    }
  });

  test('is read record by record, up to the first that is incomplete', () => {
    const path = newPath();
    for (let length = 0; length <= tail.length; length++) {
      writeFileSync(path, tail.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length;
      const tornBytes = length - (whole === 0 ? 0 : ends[whole - 1]!);
      expect(TailFile.read(path)).toEqual({ records: records.slice(0, whole), tornBytes });
    }
    rmSync(path);
    expect(TailFile.read(path)).toEqual({ records: [], tornBytes: 0 });
  });

  test.each([0, 1, 2])('with a changed byte in record %i gives the records before it', async (changed) => {
    const start = changed === 0 ? 0 : ends[changed - 1]!;
    for (const at of [
      start,
      start + 35,
      start + 65,
      start + 70,
      start + 82,
      start + 97,
      ends[changed]! - 1,
    ]) {
      const bytes = Buffer.from(tail);
      bytes[at]! ^= 0x10;
      expect(await numbersIn(await folderWith(bytes))).toHaveLength(changed);
    }
  });

  test.each([1, 2, 3])('whose first %i records are in LMDB already gives each once', async (stored) => {
    const path = await folderWith(tail, stored);
    const numbers: number[] = [];
    const store = await openStore(path, 'commit', (commit) => numbers.push(commit.number));
    expect(numbers).toEqual([1, 2, 3]);
    expect(statSync(tailOf(path)).size).toBe(0);
    write(store, 1, 2_000);
    const copy = crashed(path);
    await store.close();
    expect(await numbersIn(path)).toEqual([1, 2, 3, 4]);
    expect(await numbersIn(copy)).toEqual([1, 2, 3, 4]);
  });

  test('of another history is not believed, and kept aside', async () => {
    const other = Buffer.concat(chain([1, 3, 1]));
    const path = await folderWith(other, 2);
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(readFileSync(`${tailOf(path)}.torn-3`).equals(other)).toBe(true);
    // And again, which does not take the place of the first.
    const half = other.subarray(0, other.length - 1);
    writeFileSync(tailOf(path), half);
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(readFileSync(`${tailOf(path)}.torn-3`).equals(other)).toBe(true);
    expect(readFileSync(`${tailOf(path)}.torn-3-2`).equals(half)).toBe(true);
    expect(await numbersIn(await folderWith(Buffer.concat(chain([2, 2])), 1))).toEqual([1]);
  });

  test('is taken over by a store that is opened with another durability', async () => {
    const path = await folderWith(tail, 1);
    expect(await numbersIn(path, 'fsync')).toEqual([1, 2, 3]);
    rmSync(tailOf(path));
    expect(await numbersIn(path, 'commit')).toEqual([1, 2, 3]);
  });

  test('with a whole record that the state cannot take is kept: opening fails, and loses nothing', async () => {
    const path = await folderWith(tail, 1);
    const refusal = new LeiniaoError('invalid_options', 'ordersPerShardMax is less than what it holds');
    const visit = (commit: Commit) => {
      if (commit.number === 3) throw refusal;
    };
    await expect(openStore(path, 'commit', visit)).rejects.toThrow(refusal.message);
    expect(await numbersIn(path, 'commit')).toEqual([1, 2, 3]);
  });

  test('of any bytes at all is no obstacle to opening', async () => {
    const garbage = [
      Buffer.alloc(1),
      Buffer.alloc(96),
      Buffer.alloc(4_096),
      Buffer.alloc(500, 0xff),
      Buffer.from('雷鸟'.repeat(99)),
    ];
    for (const bytes of garbage) expect(await numbersIn(await folderWith(bytes, 1))).toEqual([1]);
  });
});

describe(seeded('a store over several lives'), () => {
  const life = fc.record({
    durability: fc.constantFrom<Durability>('fsync', 'commit'),
    steps: fc.array(fc.oneof(fc.constant('flush' as const), fc.integer({ min: 1, max: 40 })), {
      maxLength: 8,
    }),
    crashes: fc.boolean(),
    /** Bytes that a torn write left behind the last record. */
    torn: fc.uint8Array({ maxLength: 120 }),
  });

  test('has every batch that was acknowledged, in order, whatever durability, crash and flush came between', async () => {
    const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 5 }), async (lives) => {
      let path = newPath();
      const wanted: { count: number; timeMs: number }[] = [];
      let timeMs = 1_000;
      for (const { durability, steps, crashes, torn } of lives) {
        const found: { count: number; timeMs: number }[] = [];
        const store = await openStore(path, durability, (commit) =>
          found.push({ count: commit.count, timeMs: commit.timeMs }),
        );
        expect(found).toEqual(wanted);
        for (const step of steps) {
          timeMs += 1;
          if (step === 'flush') {
            store.flush();
          } else {
            write(store, step, timeMs);
            wanted.push({ count: step, timeMs });
          }
        }
        const copy = crashes ? crashed(path) : path;
        await store.close();
        path = copy;
        if (crashes) writeFileSync(tailOf(path), torn, { flag: 'a' });
      }
      expect(await numbersIn(path)).toEqual(wanted.map((_, i) => i + 1));
    });
    await fc.assert(property, runs(40));
  });
});
