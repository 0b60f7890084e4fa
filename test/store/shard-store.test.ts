/**
 * The store under its three durabilities, on a real disk. A crash is a copy of the folder taken while the store is
 * open: what another process would find after kill -9.
 */
import fs, {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Durability, limits } from '../../dist/config.js';
import { LeiniaoError } from '../../dist/errors.js';
import { Batch, commitHeadBytes } from '../../dist/store/batch.js';
import type { Commit } from '../../dist/store/chain.js';
import { acceptedLayout } from '../../dist/store/entry.js';
import { Journal } from '../../dist/store/journal.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { TailFile } from '../../dist/store/tail.js';
import { chain, fill, storeId } from '../support/commits.js';
import { effort } from '../support/effort.js';
import { runs, seeded } from '../support/random.js';
import { startsOf, tailOf } from '../support/tails.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const flushDelayMs = 50;
let folder: string;
let folders = 0;
beforeAll(() => {
  folder = makeTempDir();
});
afterAll(() => removeTempDir(folder));

const newPath = () => join(folder, `shard-${folders++}`);
const tailPath = (path: string) => join(path, 'tail.bin');

/** The numbers of the commits that LMDB has of a folder. */
async function numbersInLmdb(path: string): Promise<number[]> {
  const copy = crashed(path);
  rmSync(tailPath(copy));
  return await numbersIn(copy);
}

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

describe('a tail', () => {
  const records = chain([1, 600, 1, 1]);
  const tail = tailOf(records);
  const starts = startsOf(records);
  const ends = records.map((record, i) => starts[i]! + record.length);

  /** A folder whose LMDB has the first `stored` records, and whose tail has these bytes. */
  async function folderWith(bytes: Buffer, stored = 0): Promise<string> {
    const path = newPath();
    const visit = () => undefined;
    const journal = await Journal.open({ path, storeId, shard: 0, visit });
    journal.append(1, records.slice(0, stored));
    await journal.close();
    writeFileSync(tailPath(path), bytes);
    return path;
  }

  const asideOf = (path: string, commit: number) => `${tailPath(path)}.torn-${commit}`;
  const damaged = (text: string) => ({ code: 'data_dir_damaged', message: expect.stringContaining(text) });

  test.each(['fsync', 'commit'] as const)(
    'of durability %s, cut off anywhere, gives the records before the cut, and the store goes on behind them',
    async (durability) => {
      const path = newPath();
      await (await openStore(path, 'fsync')).close();
      const empty = readFileSync(join(path, 'data.mdb'));
      const whole = tailOf(records, durability);
      const lengths = starts.flatMap((start, i) => {
        const end = ends[i] ?? start;
        return [start, start + 1, start + 95, start + 96, start + 100, end - 1, end, end + 1];
      });
      for (const length of [4_095, ...lengths, whole.length]) {
        // Back to a journal with nothing in it.
        writeFileSync(join(path, 'data.mdb'), empty);
        writeFileSync(tailPath(path), whole.subarray(0, length));
        const given = ends.filter((end) => end <= length).length;
        const numbers: number[] = [];
        const store = await openStore(path, 'commit', (commit) => numbers.push(commit.number));
        expect(numbers).toHaveLength(given);
        const aside = asideOf(path, given + 1);
        expect([length, existsSync(aside)]).toEqual([
          length,
          given < records.length && length > starts[given]!,
        ]);
        if (existsSync(aside)) {
          expect(readFileSync(aside).equals(whole.subarray(0, length))).toBe(true);
          rmSync(aside);
        }
        write(store, 1, 2_000);
        await store.close();
        expect(await numbersIn(path)).toHaveLength(given + 1);
      }
    },
  );

  test.each([0, 1, 2, 3])(
    'of durability commit with a changed byte in record %i gives those before it',
    async (changed) => {
      for (const at of placesIn(changed)) {
        const path = await folderWith(altered(tail, at));
        expect(await numbersIn(path)).toHaveLength(changed);
        expect(existsSync(asideOf(path, changed + 1))).toBe(true);
      }
    },
  );

  test.each([0, 1, 2])(
    'of durability fsync with a changed byte in record %i is damaged: later ones were acknowledged after it',
    async (changed) => {
      for (const at of placesIn(changed)) {
        const bytes = altered(tailOf(records, 'fsync'), at);
        const path = await folderWith(bytes);
        await expect(numbersIn(path)).rejects.toMatchObject(damaged(`commit ${changed + 1} cannot be read`));
        expect(readFileSync(tailPath(path)).equals(bytes)).toBe(true);
      }
    },
  );

  test('of durability fsync with a block of zeros in it is damaged', async () => {
    const bytes = tailOf(records, 'fsync').fill(0, starts[1], starts[1]! + 4_096);
    await expect(numbersIn(await folderWith(bytes))).rejects.toMatchObject(
      damaged('commit 2 cannot be read'),
    );
    // Unless LMDB has what it hides.
    expect(await numbersIn(await folderWith(bytes, 4))).toEqual([1, 2, 3, 4]);
  });

  test('of durability fsync with a changed byte in its last record, which nobody was told of, is kept aside', async () => {
    for (const at of placesIn(3)) {
      const bytes = altered(tailOf(records, 'fsync'), at);
      const path = await folderWith(bytes);
      expect(await numbersIn(path)).toEqual([1, 2, 3]);
      expect(readFileSync(asideOf(path, 4)).equals(bytes)).toBe(true);
    }
  });

  function placesIn(record: number): number[] {
    const start = starts[record]!;
    return [start, start + 35, start + 65, start + 70, start + 82, start + 97, ends[record]! - 1];
  }

  function altered(bytes: Buffer, at: number): Buffer {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0x10;
    return copy;
  }

  test.each([1, 2, 3, 4])('whose first %i records are in LMDB already gives each once', async (stored) => {
    const path = await folderWith(tail, stored);
    const numbers: number[] = [];
    const store = await openStore(path, 'commit', (commit) => numbers.push(commit.number));
    expect(numbers).toEqual([1, 2, 3, 4]);
    write(store, 1, 2_000);
    const copy = crashed(path);
    await store.close();
    expect(await numbersIn(path)).toEqual([1, 2, 3, 4, 5]);
    expect(await numbersIn(copy)).toEqual([1, 2, 3, 4, 5]);
  });

  test('of another history is not believed, and kept aside', async () => {
    const other = tailOf(chain([1, 3, 1]));
    const path = await folderWith(other, 2);
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(readFileSync(asideOf(path, 3)).equals(other)).toBe(true);
    // And again, which does not take the place of the first.
    const another = tailOf(chain([2, 2, 2]));
    writeFileSync(tailPath(path), another);
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(readFileSync(asideOf(path, 3)).equals(other)).toBe(true);
    expect(readFileSync(`${asideOf(path, 3)}-2`).equals(another)).toBe(true);
    expect(await numbersIn(await folderWith(tailOf(chain([2, 2])), 1))).toEqual([1]);
  });

  test('is taken over by a store that is opened with another durability', async () => {
    const path = await folderWith(tail, 1);
    expect(await numbersIn(path, 'fsync')).toEqual([1, 2, 3, 4]);
    rmSync(tailPath(path));
    expect(await numbersIn(path, 'commit')).toEqual([1, 2, 3, 4]);
  });

  test('with a whole record that the state cannot take is kept: opening fails, and loses nothing', async () => {
    const path = await folderWith(tail, 1);
    const refusal = new LeiniaoError('invalid_options', 'ordersPerShardMax is less than what it holds');
    const visit = (commit: Commit) => {
      if (commit.number === 3) throw refusal;
    };
    await expect(openStore(path, 'commit', visit)).rejects.toThrow(refusal.message);
    expect(await numbersIn(path, 'commit')).toEqual([1, 2, 3, 4]);
  });

  test('with anything at all behind its records is no obstacle to opening', async () => {
    const garbage = [
      Buffer.alloc(1, 1),
      Buffer.alloc(96, 1),
      Buffer.alloc(4_096),
      Buffer.alloc(500, 0xff),
      Buffer.from('雷鸟'.repeat(3_000)),
    ];
    for (const bytes of garbage) {
      expect(await numbersIn(await folderWith(tailOf([...records, bytes]), 1))).toEqual([1, 2, 3, 4]);
    }
  });

  test('that is missing is damage in a store that was open before, and none in a new one', async () => {
    const path = newPath();
    await (await openStore(path, 'fsync')).close();
    rmSync(tailPath(path));
    const options = { path, storeId, shard: 0, durability: 'fsync', flushDelayMs } as const;
    await expect(ShardStore.open({ ...options, existing: true }, () => undefined)).rejects.toMatchObject(
      damaged(`${tailPath(path)} is missing`),
    );
    expect(existsSync(tailPath(path))).toBe(false);
    await (await ShardStore.open({ ...options, existing: false }, () => undefined)).close();
    await (await ShardStore.open({ ...options, existing: true }, () => undefined)).close();
  });

  test('with a gap that is filled by nothing is put aside, also where what comes behind is hidden by an older record', async () => {
    // The first of the later ones was written over the beginning of an older, longer one, and did not arrive.
    const [, longer, , last] = records;
    const bytes = tailOf([longer!, Buffer.alloc(4_096)]);
    last!.copy(bytes, starts[0]! + 4_096);
    const path = await folderWith(bytes, 2);
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(readFileSync(asideOf(path, 3)).equals(bytes)).toBe(true);
    // Nothing of it is left for the next one to come across.
    expect(await numbersIn(path)).toEqual([1, 2]);
    expect(existsSync(`${asideOf(path, 3)}-2`)).toBe(false);
  });

  test.each([
    ['is empty', Buffer.alloc(0)],
    ['is too short', tailOf([]).subarray(0, 19)],
    ['has another format', altered(tailOf(records), 8)],
    ['has no durability', altered(tailOf(records), 13)],
    ['is zeros', tailOf(records).fill(0, 0, 4_096)],
    ['is no tail', Buffer.from('雷鸟'.repeat(3_000))],
  ])('whose head %s may hold what was acknowledged, and is left as it is', async (_, bytes) => {
    const path = await folderWith(bytes, 1);
    const where = tailPath(path);
    await expect(numbersIn(path)).rejects.toMatchObject(
      damaged(`${where}: it does not begin as a tail does`),
    );
    expect(readFileSync(where).equals(bytes)).toBe(true);
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
        if (crashes) tearBehindRecords(tailPath(path), torn);
      }
      expect(await numbersIn(path)).toEqual(wanted.map((_, i) => i + 1));
    });
    await fc.assert(property, runs(40));
  });

  /** Leaves bytes where the next record would have gone. */
  function tearBehindRecords(file: string, bytes: Uint8Array): void {
    const { records } = TailFile.read(file)!;
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, bytes, 0, bytes.length, startsOf(records).at(-1)!);
    closeSync(descriptor);
  }
});

describe(seeded('a power cut in the middle of a write'), () => {
  const counts = fc.integer({ min: 1, max: 3_000 });
  const step = fc.oneof(
    { weight: 4, arbitrary: counts },
    { weight: 1, arbitrary: fc.constant('flush' as const) },
  );

  /** Some blocks of a file that was being written, the others as they were before. */
  function mixed(before: Buffer, after: Buffer, arrived: readonly boolean[]): Buffer {
    const mix = Buffer.alloc(Math.max(before.length, after.length));
    before.copy(mix);
    for (let at = 0, i = 0; at < after.length; at += 4_096) {
      const block = after.subarray(at, at + 4_096);
      if (block.equals(before.subarray(at, at + 4_096))) continue;
      if (arrived[i++ % arrived.length]) block.copy(mix, at);
    }
    return mix;
  }

  test('leaves every batch that was on disk before, whichever blocks of the last one arrived', async () => {
    const arrived = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      counts,
      arrived,
      async (steps, last, of) => {
        const path = newPath();
        const store = await openStore(path, 'fsync');
        let acknowledged = 0;
        for (const [i, count] of steps.entries()) {
          if (count === 'flush') {
            store.flush();
          } else {
            write(store, count, 1_000 + i);
            acknowledged += 1;
          }
        }
        const before = readFileSync(tailPath(path));
        write(store, last, 2_000);
        const cut = crashed(path);
        await store.close();
        writeFileSync(tailPath(cut), mixed(before, readFileSync(tailPath(cut)), of));
        const found: number[] = [];
        const again = await openStore(cut, 'fsync', ({ number }) => found.push(number));
        const all = Array.from({ length: found.length }, (_, i) => i + 1);
        expect(found).toEqual(all);
        expect([acknowledged, acknowledged + 1]).toContain(found.length);
        write(again, 1, 3_000);
        const after = crashed(cut);
        await again.close();
        expect(await numbersIn(after)).toEqual([...all, found.length + 1]);
      },
    );
    await fc.assert(property, runs(effort(60, 600)));
  });
});
