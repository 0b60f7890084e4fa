/** The journal on a real disk: what was appended comes back, and whatever was changed behind its back does not. */
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { LeiniaoError } from '../../dist/errors.js';
import { Batch, commitHash, commitLayout } from '../../dist/store/batch.js';
import { type Commit, follow } from '../../dist/store/chain.js';
import { Journal } from '../../dist/store/journal.js';
import { chain, fill, genesis, seen, seenOf, storeId } from '../support/commits.js';
import { tempDir } from '../support/temp-dir.js';

async function openJournal(path: string, store = storeId, shard = 0) {
  const commits: Commit[] = [];
  const visit = (commit: Commit) => commits.push(commit);
  const journal = await Journal.open({ path, storeId: store, shard, visit });
  return { journal, commits: commits.map(seen) };
}

async function journalOf(records: readonly Buffer[]): Promise<string> {
  const path = join(tempDir(), 'shard-000');
  const { journal } = await openJournal(path);
  if (records.length > 0) journal.append(1, records);
  await journal.close();
  return path;
}

/** Changes the journal's records without the journal. */
async function tamper(path: string, change: (records: Map<number, Buffer>) => void): Promise<void> {
  const environment = openLmdb<Buffer, string>({
    path,
    encoding: 'binary',
    noSubdir: false,
    overlappingSync: false,
  });
  const commits = environment.openDB<Buffer, number>({
    name: 'commits',
    encoding: 'binary',
    keyEncoding: 'uint32',
  });
  const records = new Map<number, Buffer>();
  for (const { key, value } of commits.getRange()) records.set(key, Buffer.from(value));
  const before = [...records.keys()];
  change(records);
  environment.transactionSync(() => {
    for (const key of before) commits.removeSync(key);
    for (const [key, value] of records) commits.putSync(key, value);
  });
  await environment.close();
}

/** A record with one byte changed, and its own hash made good again if asked. */
function altered(record: Buffer, at: number, rehash = false): Buffer {
  const copy = Buffer.from(record);
  copy[at]! ^= 0x01;
  if (rehash) commitHash(copy).copy(copy, 0);
  return copy;
}

const someRecords = chain([3, 1, 2, 5]);

test('a new journal is empty and stands at its genesis', async () => {
  const { journal, commits } = await openJournal(await journalOf([]));
  expect(commits).toEqual([]);
  expect(journal.head).toEqual(genesis());
  await journal.close();
});

test('what was appended comes back, commit by commit, and the chain goes on where it stood', async () => {
  const path = await journalOf(someRecords);
  const { journal, commits } = await openJournal(path);
  expect(commits).toEqual(someRecords.map(seenOf));
  const [next] = chain([7], journal.head);
  journal.append(5, [next!]);
  await journal.close();
  const again = await openJournal(path);
  expect(again.commits).toEqual([...someRecords, next!].map(seenOf));
  expect(again.journal.head.nextSequence).toBe(1 + 3 + 1 + 2 + 5 + 7);
  await again.journal.close();
});

test('a thousand commits, the largest batch among them, come back in order', async () => {
  const batch = fill(new Batch(), 0, 0);
  let entries = 0;
  expect(() => {
    for (; ; entries++) fill(batch, entries, 1);
  }).toThrow('a batch stays within its buffer');
  const records = chain([...new Array<number>(500).fill(1), entries, ...new Array<number>(500).fill(2)]);
  const { journal, commits } = await openJournal(await journalOf(records));
  expect(commits.map(({ number, count }) => [number, count])).toEqual(
    records.map(seenOf).map(({ number, count }) => [number, count]),
  );
  expect(commits[500]).toEqual(seenOf(records[500]!));
  await journal.close();
});

describe('a commit record is refused', () => {
  const [first, second] = chain([2, 3]);

  test('with any of its bytes changed', () => {
    const accepted: number[] = [];
    for (let at = 0; at < second!.length; at++) {
      const head = genesis();
      follow(head, first!);
      try {
        follow(head, altered(second!, at));
        accepted.push(at);
      } catch (error) {
        expect(error).toBeInstanceOf(LeiniaoError);
        // The head stays: whoever stops here can say where he stood.
        expect(head).toMatchObject({ number: 1, nextSequence: 3 });
      }
    }
    expect(accepted).toEqual([]);
  });

  test('cut off anywhere, or with bytes after it', () => {
    for (let length = 0; length < second!.length; length++) {
      const head = genesis();
      follow(head, first!);
      expect(() => follow(head, second!.subarray(0, length))).toThrow(LeiniaoError);
    }
    const head = genesis();
    expect(() => follow(head, Buffer.concat([first!, Buffer.alloc(4)]))).toThrow(LeiniaoError);
  });

  test.each([
    ['number', 3, 3],
    ['first entry', 2, 4],
  ])('whose %s is not the next, though it links to the one before', (_, number, firstSequence) => {
    const head = genesis();
    follow(head, first!);
    const record = fill(new Batch(), 0, 1).seal(number, 2_000, firstSequence, head.hash);
    expect(() => follow(head, record)).toThrow(/journal commit 2/);
    const next = fill(new Batch(), 0, 1).seal(2, 2_000, 3, head.hash);
    expect(follow(head, next).number).toBe(2);
  });

  test('that starts elsewhere in memory than a word is taken all the same', () => {
    const shifted = Buffer.concat([Buffer.alloc(1), first!]).subarray(1);
    expect(follow(genesis(), shifted).count).toBe(2);
  });
});

describe('a journal is refused as damaged', () => {
  test.each<[string, RegExp, (records: Map<number, Buffer>) => void]>([
    ['without its first commit', /commit 1/, (records) => records.delete(1)],
    ['without a commit in the middle', /commit 3/, (records) => records.delete(3)],
    [
      'without a commit, the later ones moved up',
      /commit 2/,
      (records) => {
        for (const number of [2, 3]) records.set(number, records.get(number + 1)!);
        records.delete(4);
      },
    ],
    [
      'with two commits swapped',
      /commit 2/,
      (records) => {
        const [two, three] = [records.get(2)!, records.get(3)!];
        records.set(2, three).set(3, two);
      },
    ],
    ['with a commit twice', /commit 3/, (records) => records.set(3, records.get(2)!)],
    [
      'with a byte of an entry changed',
      /commit 2: its content does not match its hash/,
      (records) => records.set(2, altered(records.get(2)!, commitLayout.entries * 4 + 5)),
    ],
    [
      'with an entry changed and its hash made good',
      /commit 3: it does not follow/,
      (records) => records.set(2, altered(records.get(2)!, commitLayout.entries * 4 + 5, true)),
    ],
    [
      'with the time of its last commit changed',
      /commit 4/,
      (records) => records.set(4, altered(records.get(4)!, commitLayout.timeMs * 4)),
    ],
    ['with a record cut short', /commit 4/, (records) => records.set(4, records.get(4)!.subarray(0, 100))],
    ['with an empty record', /commit 4/, (records) => records.set(4, Buffer.alloc(0))],
    [
      'with a record of another format',
      /commit 1: its format is 2/,
      (records) => {
        const copy = Buffer.from(records.get(1)!);
        copy.writeInt32LE(2, commitLayout.format * 4);
        commitHash(copy).copy(copy, 0);
        records.set(1, copy);
      },
    ],
    [
      'with the commits of another history from somewhere on',
      /commit 3/,
      (records) => {
        const other = chain([3, 2, 2, 5]);
        records.set(3, other[2]!).set(4, other[3]!);
      },
    ],
  ])('%s', async (_, message, change) => {
    const path = await journalOf(someRecords);
    await tamper(path, change);
    const refusal = openJournal(path);
    await expect(refusal).rejects.toMatchObject({ code: 'data_dir_damaged' });
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toThrow(path);
  });

  test.each([
    ['another store', 'ffeeddccbbaa99887766554433221100', 0],
    ['another shard', storeId, 1],
  ])('when it belongs to %s', async (_, store, shard) => {
    const path = await journalOf(someRecords);
    await expect(openJournal(path, store, shard)).rejects.toMatchObject({ code: 'data_dir_damaged' });
    const { journal, commits } = await openJournal(path);
    expect(commits).toHaveLength(4);
    await journal.close();
  });

  test('and opens again once it is whole, in the same process', async () => {
    const path = await journalOf(someRecords);
    await tamper(path, (records) => records.delete(2));
    await expect(openJournal(path)).rejects.toThrow('commit 2 is missing');
    await tamper(path, (records) => records.set(2, someRecords[1]!));
    const { journal, commits } = await openJournal(path);
    expect(commits).toEqual(someRecords.map(seenOf));
    await journal.close();
  });
});

test.runIf(existsSync('/proc/self/fd'))('a journal that is refused is closed again', async () => {
  const path = await journalOf(someRecords);
  const descriptors = () =>
    readdirSync('/proc/self/fd').filter((name) => {
      const link = `/proc/self/fd/${name}`;
      return existsSync(link) && readlinkSync(link).startsWith(path);
    });
  const { journal } = await openJournal(path);
  expect(descriptors().length).toBeGreaterThan(0);
  await journal.close();
  expect(descriptors()).toEqual([]);
  await expect(openJournal(path, storeId, 1)).rejects.toThrow();
  expect(descriptors()).toEqual([]);
});

test('an exception of the visitor closes the journal and comes through', async () => {
  const path = await journalOf(someRecords);
  const visit = () => {
    throw new RangeError('of the visitor');
  };
  await expect(Journal.open({ path, storeId, shard: 0, visit })).rejects.toThrow(RangeError);
  const { journal, commits } = await openJournal(path);
  expect(commits).toHaveLength(4);
  await journal.close();
});
