/** The store under its three durabilities, on a real disk: what it has where, and when, and what it refuses. */
import fs, { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { limits } from '../../dist/config.js';
import { type Batch, commitHeadBytes } from '../../dist/store/batch.js';
import { acceptedLayout } from '../../dist/store/entry.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { fill, storeId } from '../support/commits.js';
import {
  batch,
  crashed,
  flushDelayMs,
  newPath,
  numbersIn,
  numbersInLmdb,
  openStore,
  tailPath,
  write,
} from '../support/stores.js';

describe.each(['fsync', 'commit'] as const)('with durability %s', (durability) => {
  const delayMs = durability === 'fsync' ? limits.tailDelayMs : flushDelayMs;

  test('a batch is in the tail when write returns, and in LMDB after a flush', async () => {
    const path = newPath();
    const store = await openStore(path, durability);
    expect(store.flushes).toBe(durability === 'fsync');
    expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
    write(store, 2, 1_000);
    write(store, 1, 1_020);
    expect(store.lastTimeMs).toBe(1_020);
    expect(store.flushAtMs).toBe(1_000 + delayMs);
    expect(await numbersIn(crashed(path))).toEqual([1, 2]);
    expect(await numbersInLmdb(path)).toEqual([]);
    store.flush();
    expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
    expect(await numbersInLmdb(path)).toEqual([1, 2]);
    expect(await numbersIn(crashed(path))).toEqual([1, 2]);
    write(store, 1, 1_100);
    expect(store.flushAtMs).toBe(1_100 + delayMs);
    expect(await numbersIn(crashed(path))).toEqual([1, 2, 3]);
    await store.close();
    expect(await numbersIn(path)).toEqual([1, 2, 3]);
  });

  test('closing leaves nothing that is in the tail only', async () => {
    const path = newPath();
    const store = await openStore(path, durability);
    write(store, 1, 1_000);
    await store.close();
    expect(await numbersInLmdb(path)).toEqual([1]);
  });

  test('the tail is bounded: it is brought to LMDB before its time where it would grow too long', async () => {
    const path = newPath();
    const store = await openStore(path, durability);
    for (let i = 0; i < 120; i++) write(store, 8_000, 1_000);
    expect(store.flushAtMs).toBe(1_000 + delayMs);
    const inLmdb = await numbersInLmdb(path);
    expect(inLmdb.length).toBeGreaterThan(50);
    expect(inLmdb.length).toBeLessThan(120);
    expect(statSync(tailPath(path)).size).toBeLessThanOrEqual(limits.tailBytesMax);
    await store.close();
    expect(await numbersIn(path)).toHaveLength(120);
  });
});

describe('the disk', () => {
  const fdatasync = vi.spyOn(fs, 'fdatasyncSync');
  beforeEach(() => {
    fdatasync.mockClear();
    syncBuiltinESMExports();
  });
  afterAll(() => {
    fdatasync.mockRestore();
    syncBuiltinESMExports();
  });

  test.each([
    ['fsync', 1],
    ['commit', 0],
  ] as const)('with durability %s is waited for %i times a batch', async (durability, times) => {
    const store = await openStore(newPath(), durability);
    for (let i = 0; i < 5; i++) {
      fdatasync.mockClear();
      write(store, 10, 1_000 + i);
      expect(fdatasync).toHaveBeenCalledTimes(times);
    }
    await store.close();
  });

  test('that does not flush a record gets it no further: it was not acknowledged, and is not there', async () => {
    const path = newPath();
    const store = await openStore(path, 'fsync');
    write(store, 1, 1_000);
    fdatasync.mockImplementationOnce(() => {
      throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
    });
    expect(() => store.write(fill(batch, 1, 5_000), 1_001, 1_001)).toThrow('EIO');
    batch.clear();
    await store.abandon();
    expect(await numbersIn(path)).toEqual([1]);
    expect(existsSync(`${tailPath(path)}.torn-2`)).toBe(false);
  });
});

function fillWithOrders(count: number): Batch {
  const texts = new Int32Array(32).fill(0x61616161);
  for (let i = 0; i < count; i++) batch.accepted(0, 0, 1, i, i + 1, texts, 0, 64, 16, 64);
  return batch;
}

test('with durability commit a large batch waits for no disk either', async () => {
  const path = newPath();
  const store = await openStore(path, 'commit');
  store.write(fillWithOrders(4_096), 1_000, 1_000);
  expect(await numbersInLmdb(path)).toEqual([]);
  expect(await numbersIn(crashed(path))).toEqual([1]);
  await store.close();
});

test('where the tail has no room to grow it begins again; where LMDB has none, a batch is refused, and is not there', async () => {
  const path = newPath();
  const store = await openStore(path, 'fsync');
  write(store, 1, 1_000);
  const roomNow = vi.spyOn(fs, 'statfsSync');
  const room = (bytes: number) => {
    roomNow.mockReturnValue({ bavail: bytes + limits.storeRoomBytes, bsize: 1 } as fs.StatsFs);
    syncBuiltinESMExports();
  };
  try {
    // In LMDB twice what a record of one entry and its node take; and a block of the tail.
    const inLmdb = 2 * (14 + 104);
    room(2 * inLmdb + 4_096);
    write(store, 1, 1_001);
    expect(await numbersInLmdb(path)).toEqual([]);
    room(3 * inLmdb + 4_095);
    write(store, 1, 1_002);
    expect(await numbersInLmdb(path)).toEqual([1, 2]);
    // It has the blocks for one more.
    room(2 * inLmdb);
    write(store, 1, 1_003);
    expect(await numbersInLmdb(path)).toEqual([1, 2]);
    room(2 * inLmdb - 1);
    expect(() => store.write(fill(batch, 1, 1), 1_004, 1_004)).toThrow(
      expect.objectContaining({ code: 'data_dir_full' }),
    );
    batch.clear();
  } finally {
    roomNow.mockRestore();
    syncBuiltinESMExports();
  }
  expect(await numbersIn(crashed(path))).toEqual([1, 2, 3, 4]);
  await store.close();
});

test('with durability fsync a large batch is in LMDB when write returns, with what waited before it', async () => {
  const path = newPath();
  const store = await openStore(path, 'fsync');
  write(store, 1, 1_000);
  const tail = readFileSync(tailPath(path));
  // An order of two texts of 64 bytes, and what each record has beside them.
  const orderBytes = (acceptedLayout.texts + 32) * 4;
  const fits = Math.floor((limits.flushedRecordBytesMax - commitHeadBytes) / orderBytes);
  store.write(fillWithOrders(fits), 1_001, 1_001);
  expect(await numbersInLmdb(path)).toEqual([]);
  store.write(fillWithOrders(fits + 1), 1_002, 1_002);
  expect(await numbersInLmdb(path)).toEqual([1, 2, 3]);
  expect(store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
  write(store, 1, 1_003);
  // Over the first one.
  expect(readFileSync(tailPath(path)).subarray(4_096, 8_192).equals(tail.subarray(4_096, 8_192))).toBe(false);
  expect(await numbersIn(crashed(path))).toEqual([1, 2, 3, 4]);
  await store.close();
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
  rmSync(tailPath(path));
  mkdirSync(tailPath(path));
  await expect(open(path)).rejects.toMatchObject(unwritable(tailPath(path)));
  rmSync(tailPath(path), { recursive: true });
  await (await openStore(path, 'commit')).close();
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
