/** Idempotency keys: exact against a Map, room that ends in time, and the race of two shards for the same key. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { type KeyQuery, KeyTable } from '../../dist/memory/key-table.js';
import { writeText } from '../../dist/text.js';
import { runs, seeded } from '../support/random.js';
import { Threads } from '../support/threads.js';
import { within } from '../support/until.js';

const keyWord = 20;

/** A query as a shard makes it, its texts somewhere in a larger buffer. The hash is the test's to choose. */
function query(saleNumber: number, buyer: string, key: string, hash: number): KeyQuery {
  const words = new Int32Array(40);
  const bytes = Buffer.from(words.buffer);
  bytes.fill(0xa5);
  const buyerBytes = buyer === '' ? 0 : writeText(bytes, 12, buyer);
  const keyBytes = writeText(bytes, keyWord * 4, key);
  return { saleNumber, buyerBytes, keyBytes, hash, words, buyerAt: 3, keyAt: keyWord };
}

const tableOf = (keysMax: number) => new KeyTable(KeyTable.allocate(keysMax), keysMax);

test('a key is found with its reference, by every thread that has the table', () => {
  const buffer = KeyTable.allocate(16);
  new KeyTable(buffer, 16).insert(query(1, 'u-1', 'k-1', 99), 7);
  expect(new KeyTable(buffer, 16).find(query(1, 'u-1', 'k-1', 99))).toBe(7);
});

test.each([
  ['another sale', query(2, 'u-1', 'k-1', 5)],
  ['another buyer', query(1, 'u-2', 'k-1', 5)],
  ['another key', query(1, 'u-1', 'k-2', 5)],
  ['a longer key', query(1, 'u-1', 'k-11', 5)],
  ['a buyer that ends in NUL', query(1, 'u-1\0', 'k-1', 5)],
  ['the border between buyer and key elsewhere', query(1, 'u-1k', '-1', 5)],
  ['no buyer', query(1, '', 'k-1', 5)],
  ['the same texts under another hash', query(1, 'u-1', 'k-1', 6)],
])('%s is another key, even where the hashes are equal', (_, other) => {
  const table = tableOf(16);
  table.insert(query(1, 'u-1', 'k-1', 5), 7);
  expect(table.find(other)).toBe(-1);
  table.insert(other, 8);
  expect(table.find(other)).toBe(8);
  expect(table.find(query(1, 'u-1', 'k-1', 5))).toBe(7);
});

test('the last key can be taken back, from the end of a run of equal hashes and from its middle slots', () => {
  const table = tableOf(16);
  for (const [i, hash] of [31, 31, 0, 31].entries()) table.insert(query(1, 'u', `k-${i}`, hash), i);
  table.retractLast();
  expect(table.find(query(1, 'u', 'k-3', 31))).toBe(-1);
  for (const [i, hash] of [31, 31, 0].entries()) expect(table.find(query(1, 'u', `k-${i}`, hash))).toBe(i);
  table.insert(query(1, 'u', 'k-4', 31), 4);
  expect(table.find(query(1, 'u', 'k-4', 31))).toBe(4);
});

test('clear forgets every key and gives all room back', () => {
  const table = tableOf(8);
  let count = 0;
  for (; table.hasRoom(); count++)
    table.insert(query(1, 'b'.repeat(64), `key ${count}`.padEnd(64), count), count);
  table.clear();
  expect(table.find(query(1, 'b'.repeat(64), 'key 0'.padEnd(64), 0))).toBe(-1);
  for (let i = 0; i < count; i++) {
    expect(table.hasRoom()).toBe(true);
    table.insert(query(1, 'b'.repeat(64), `key ${i}`.padEnd(64), i), i);
  }
});

describe(seeded('against a Map'), () => {
  const name = fc.oneof(
    fc.constantFrom('a', 'ab', 'abc', 'abcd', 'abcde', 'ü', '雷鸟', 'a\0', 'x'.repeat(64)),
    fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 64 }),
  );
  const command = fc.record({
    kind: fc.constantFrom('insert', 'insert', 'insert', 'retract', 'find'),
    sale: fc.integer({ min: 1, max: 2 }),
    buyer: fc.oneof(name, fc.constant('')),
    key: name,
    hash: fc.oneof(fc.constantFrom(0, -1, 63, 64, 127), fc.integer()),
  });

  test('it finds what was inserted and not taken back, whatever the hashes', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
        const table = tableOf(64);
        const model = new Map<string, { reference: number; query: KeyQuery }>();
        let last: string | undefined;
        for (const [i, { kind, sale, buyer, key, hash }] of commands.entries()) {
          // The hash is part of what is looked up: the caller derives it from the rest.
          const asked = query(sale, buyer, key, hash);
          const id = JSON.stringify([sale, buyer, key, hash]);
          const known = model.get(id);
          expect(table.find(asked)).toBe(known?.reference ?? -1);
          if (kind === 'insert' && known === undefined && table.hasRoom() && model.size < 64) {
            table.insert(asked, i);
            model.set(id, { reference: i, query: asked });
            last = id;
          } else if (kind === 'retract' && last !== undefined) {
            table.retractLast();
            model.delete(last);
            last = undefined;
          }
        }
        for (const { reference, query: asked } of model.values()) expect(table.find(asked)).toBe(reference);
      }),
      runs(200),
    );
  });
});

describe('a table for a number of keys', () => {
  const longest = (i: number) =>
    query(1, 'b'.repeat(limits.buyerBytesMax), `${i}`.padEnd(64), Math.imul(i, 0x9e3779b1));
  const usual = (i: number) =>
    query(1, `buyer ${i}`.padEnd(32), `key ${i}`.padEnd(32), Math.imul(i, 0x9e3779b1));
  /** What a restock's key takes: no buyer, and up to four bytes. */
  const shortest = (i: number) => query(1, '', i.toString(36), Math.imul(i, 0x9e3779b1));

  test('has room for that many of 32 bytes, all of which are found', () => {
    const table = tableOf(500);
    for (let i = 0; i < 498; i++) {
      expect(table.hasRoom()).toBe(true);
      table.insert(usual(i), i);
    }
    for (let i = 0; i < 498; i++) expect(table.find(usual(i))).toBe(i);
    expect(table.find(usual(500))).toBe(-1);
  });

  test('says that it is full before the longest keys overflow it, and asserts it', () => {
    const table = tableOf(100);
    let count = 0;
    for (; table.hasRoom(); count++) table.insert(longest(count), count);
    expect(count).toBeGreaterThan(50);
    for (let i = 0; i < count; i++) expect(table.find(longest(i))).toBe(i);
    expect(() => table.insert(longest(count), count)).toThrow('room for a key');
  });

  test('says that it is full before the shortest keys leave no free slot, for a look-up would never end', () => {
    const keysMax = 64;
    const table = tableOf(keysMax);
    // Twice the keys, rounded up to a power of two, are slots: with this many taken, one is free.
    const slots = 128;
    let count = 0;
    for (; table.hasRoom() && count < slots - 1; count++) table.insert(shortest(count), count);
    expect(table.hasRoom()).toBe(false);
  });
});

describe('two threads that claim the same keys, each in its own table', () => {
  const threads = new Threads();
  afterEach(() => threads.stop());

  test('never both keep one', async () => {
    const rounds = 150_000;
    const shared = {
      tables: [KeyTable.allocate(rounds), KeyTable.allocate(rounds)],
      keysMax: rounds,
      rounds,
      control: new SharedArrayBuffer(16),
    };
    const sides = [0, 1].map((side) =>
      threads.run<{ won: Uint8Array; conflicts: number; misplaced: number }>('key-race.mjs', {
        ...shared,
        side,
      }),
    );
    const [a, b] = await within('both threads are done', Promise.all(sides), 40_000);
    let both = 0;
    for (let round = 0; round < rounds; round++) both += a!.won[round]! & b!.won[round]!;
    expect(both).toBe(0);
    expect(a!.misplaced + b!.misplaced).toBe(0);
    // They did meet: each saw the other's key more than once in a while.
    expect(Math.min(a!.conflicts, b!.conflicts)).toBeGreaterThan(100);
  });
});
