/** What a store that is opened makes of the tail it finds: whole, torn, damaged, of another history, or gone. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LeiniaoError } from '../../dist/errors.js';
import type { Commit } from '../../dist/store/chain.js';
import { Journal } from '../../dist/store/journal.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { chain, storeId } from '../support/commits.js';
import { crashed, flushDelayMs, newPath, numbersIn, openStore, tailPath, write } from '../support/stores.js';
import { startsOf, tailOf } from '../support/tails.js';

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
