/** Journals whose commits are not as they should be, or not in their order: the auditor names the first such commit. */
import { describe, expect, test } from 'vitest';
import { type Entries, ForgedJournal, opensMs, writeFolder } from '../support/forged-folder.js';
import { tempDir } from '../support/temp-dir.js';
import { auditOf, laterMs, timeMsMax } from './forged-audit.js';

/** Where the entries of a commit begin, in bytes. */
const from = 96;
const field = { number: 68, count: 72, words: 76, timeMs: 80, firstSequence: 88, format: 64, previous: 32 };

describe('a commit that is not as it should be is named:', () => {
  type Alteration = readonly [
    what: string,
    text: RegExp,
    entry: number | undefined,
    alter: (record: Buffer) => void,
  ];
  /** Commit 3 has a restock with key "r-1" and a removal. */
  const write = (entries: Entries) => entries.restock(0, 5, 'r-1').control(1, 1);
  const second = from + 5 * 4;

  test.each<Alteration>([
    ['another format', /its format is 2/, undefined, (r) => r.writeInt32LE(2, field.format)],
    ['another number', /it is numbered 4/, undefined, (r) => r.writeInt32LE(4, field.number)],
    [
      'another length',
      /its length is not the one it states/,
      undefined,
      (r) => r.writeInt32LE(9, field.words),
    ],
    [
      'another predecessor',
      /does not continue the hash chain/,
      undefined,
      (r) => r.writeInt32LE(9, field.previous),
    ],
    ['no time', /its time is none/, undefined, (r) => r.writeDoubleLE(Number.NaN, field.timeMs)],
    ['a time before all', /its time is none/, undefined, (r) => r.writeDoubleLE(-1, field.timeMs)],
    ['a time after all', /its time is none/, undefined, (r) => r.writeDoubleLE(timeMsMax + 1, field.timeMs)],
    [
      'half a millisecond',
      /its time is none/,
      undefined,
      (r) => r.writeDoubleLE(laterMs + 0.5, field.timeMs),
    ],
    [
      'a time that steps back',
      /its time is 1 ms before/,
      undefined,
      (r) => r.writeDoubleLE(opensMs + 9_999, field.timeMs),
    ],
    [
      'a missing entry before it',
      /has sequence 7 instead of 6/,
      undefined,
      (r) => r.writeDoubleLE(7, field.firstSequence),
    ],
    ['no entries', /it has no entries/, undefined, (r) => r.writeInt32LE(0, field.count)],
    [
      'fewer entries than it holds',
      /more words than its entries take/,
      undefined,
      (r) => r.writeInt32LE(1, field.count),
    ],
    [
      'more entries than it holds',
      /more entries than its words hold/,
      3,
      (r) => r.writeInt32LE(3, field.count),
    ],
    ['an unknown type', /no entry of type 77/, 1, (r) => r.writeUInt8(77, from)],
    ['an entry of no length', /does not end within its commit/, 1, (r) => r.writeUInt8(0, from + 1)],
    ['an entry beyond its end', /does not end within its commit/, 2, (r) => r.writeUInt8(9, second + 1)],
    ['an entry of another length', /has 6 words instead of 5/, 1, (r) => r.writeUInt8(6, from + 1)],
    ['bits that mean nothing', /bits set that mean nothing/, 1, (r) => r.writeUInt8(1, from + 2)],
    ['a type of another length', /has 5 words instead of 2/, 1, (r) => r.writeUInt8(2, from)],
    ['a definition of no room', /too few for a definition/, 1, (r) => r.writeUInt8(6, from)],
    [
      'bytes behind a text',
      /the idempotency key is not printable/,
      1,
      (r) => r.writeUInt8(1, from + 4 * 4 + 3),
    ],
    [
      'a text that is no UTF-8',
      /the idempotency key is not printable/,
      1,
      (r) => r.writeUInt8(0xff, from + 4 * 4),
    ],
  ])('%s', async (_, text, entry, alter) => {
    const report = await auditOf(new ForgedJournal().begin().commit(laterMs, write, alter));
    expect(report.findings[0]).toMatchObject({ shard: 0, commit: 3 });
    expect(report.findings[0]!.text).toMatch(text);
    expect(report.findings[0]!.entry).toBe(entry);
  });

  test.each([
    ['too short to be one', 40],
    ['of no whole words', 98],
  ])('a record %s', async (_, bytes) => {
    const journal = new ForgedJournal().begin();
    journal.records.push(Buffer.alloc(bytes));
    expect((await auditOf(journal)).findings[0]).toMatchObject({
      commit: 3,
      text: 'its length is impossible',
    });
  });

  test('a content that does not match its hash', async () => {
    const journal = new ForgedJournal().begin();
    journal.records[1]![from + 8]! ^= 1;
    const report = await auditOf(journal);
    expect(report.findings[0]).toMatchObject({ commit: 2, text: 'its content does not match its hash' });
  });
});

describe('the order of commits is held:', () => {
  const three = () => {
    const journal = new ForgedJournal().begin();
    return journal.commit(laterMs, (entries) => entries.settle('confirmed', 0));
  };

  test('without one in the middle', async () => {
    const journal = three();
    journal.records.splice(1, 1);
    expect((await auditOf(journal)).findings[0]).toMatchObject({ commit: 2, text: 'it is numbered 3' });
  });

  test('without the first one', async () => {
    const journal = three();
    journal.records.splice(0, 1);
    expect((await auditOf(journal)).findings[0]).toMatchObject({ commit: 1, text: 'it is numbered 2' });
  });

  test('with two of them swapped', async () => {
    const journal = three();
    journal.records.push(...journal.records.splice(1, 1));
    expect((await auditOf(journal)).findings[0]).toMatchObject({ commit: 2 });
  });

  test('of another shard', async () => {
    const journal = three();
    const path = tempDir();
    await writeFolder(path, [journal, new ForgedJournal(1)], []);
    const moved = new ForgedJournal(0);
    moved.records.push(...new ForgedJournal(1).begin().records);
    const report = await auditOf(moved);
    expect(report.findings[0]).toMatchObject({ commit: 1, text: 'it does not continue the hash chain' });
  });
});
