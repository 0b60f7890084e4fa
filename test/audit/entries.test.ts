/**
 * Journals in a right hash chain whose entries are wrong: the auditor names the first such entry. Each of its checks of
 * entries has a case here that makes it speak.
 */
import { describe, expect, test } from 'vitest';
import { type AuditReport, audit } from '../../dist/audit/audit.js';
import { SaleState } from '../../dist/sale/phase.js';
import {
  type Entries,
  endsMs,
  ForgedJournal,
  holdMs,
  opensMs,
  saleRecord,
  standardSale,
  writeFolder,
} from '../support/forged-folder.js';
import { tempDir } from '../support/temp-dir.js';

async function auditOf(...journals: ForgedJournal[]): Promise<AuditReport> {
  const path = tempDir();
  await writeFolder(path, journals, []);
  return await audit(path);
}

/** The first entry of commit 3. */
const laterMs = opensMs + 20_000;
const deadlineMs = opensMs + 10_000 + holdMs;

/** The last moment that a JavaScript Date can tell (ECMAScript, Time Values and Time Range). */
const timeMsMax = 8.64e15;

/** A sale that sells outright, beside the standard one. */
const outright = {
  row: 2,
  revision: 2,
  saleNumber: 2,
  holdSeconds: 0,
  sale: 'o',
  sku: 'x',
  limitPerBuyer: 0,
};

test('a journal with every kind of entry is sound', async () => {
  const journal = new ForgedJournal().begin();
  journal
    .commit(laterMs, (entries) =>
      entries
        .settle('confirmed', 0)
        .settle('cancelled', 1)
        .restock(0, 5, 'r-1')
        .restock(1, -2)
        .define({ ...outright })
        .accept({ number: 3, sequence: 1, row: 2, flags: 4 | 1, buyer: 'bücherwurm 🐦', key: 'k-0' })
        .control(1, 1)
        .control(1, 0)
        .define({ row: 3, revision: 3, saleNumber: 3, sale: 'l', sku: 'x' })
        .define({ row: 3, revision: 4, saleNumber: 3, sale: 'l', sku: 'y' })
        .remove(3)
        .accept({ number: 4, sequence: 3, quantity: 2, buyer: 'u-1' }),
    )
    .commit(deadlineMs, (entries) => entries.settle('expired', 2).settle('reacquired', 2).control(1, 2));
  const report = await auditOf(journal);
  // The catalogue has none of these sales.
  expect(report.findings.map(({ commit }) => commit).filter((commit) => commit !== undefined)).toEqual([]);
  expect(report.shards[0]).toMatchObject({
    commits: 4,
    entries: 20,
    orders: { held: 1, confirmed: 3, cancelled: 1, expired: 0 },
    reacquired: 1,
    units: { total: 10 + 5 + 5 - 2 + 10, held: 2, confirmed: 1 + 3 + 1 },
    whole: true,
    lastHash: journal.records.at(-1)!.toString('hex', 0, 32),
  });
});

type Case = readonly [
  what: string,
  text: RegExp,
  entry: number,
  write: (entries: Entries) => void,
  timeMs?: number,
];

const cases: readonly Case[] = [
  // Orders.
  [
    'an oversell',
    /oversold: 3 units of s\/b .* 2 are/,
    1,
    (e) => e.accept({ number: 3, sequence: 2, row: 1, quantity: 3 }),
  ],
  [
    'a broken limit',
    /buyer "u-1" would have 3 units of s\/a, over the limit of 2/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, buyer: 'u-1' }),
  ],
  ['a broken limit at once', /over the limit/, 1, (e) => e.accept({ number: 3, sequence: 3, quantity: 3 })],
  [
    'a key that another order has',
    /key "k-0" of buyer "u-0", which order 0 of shard 0/,
    1,
    (e) => e.accept({ number: 3, sequence: 2, row: 1, buyer: 'u-0', key: 'k-0' }),
  ],
  ['a gap in the order numbers', /number 4, and 3 is next/, 1, (e) => e.accept({ number: 4, sequence: 3 })],
  ['an order number twice', /number 2, and 3 is next/, 1, (e) => e.accept({ number: 2, sequence: 3 })],
  ['a gap in a sequence', /sequence 4 of s\/a, where 3/, 1, (e) => e.accept({ number: 3, sequence: 4 })],
  ['a sequence twice', /sequence 2 of s\/a, where 3/, 1, (e) => e.accept({ number: 3, sequence: 2 })],
  ['an order for nothing', /for 0 units/, 1, (e) => e.accept({ number: 3, sequence: 3, quantity: 0 })],
  [
    'an order for too much',
    /for 1001 units/,
    1,
    (e) => e.accept({ number: 3, sequence: 2, row: 1, quantity: 1_001 }),
  ],
  ['an order of durability memory', /durability 2/, 1, (e) => e.accept({ number: 3, sequence: 3, flags: 2 })],
  [
    'an order born confirmed where units are held',
    /born confirmed in a sale that holds 100 s/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, flags: 4 }),
  ],
  [
    'an order born held where they are sold',
    /born held in a sale that holds 0 s/,
    2,
    (e) => e.define(outright).accept({ number: 3, sequence: 1, row: 2 }),
  ],
  ['an order for no SKU', /stock row 7 has no SKU/, 1, (e) => e.accept({ number: 3, sequence: 1, row: 7 })],
  [
    'an order for a removed SKU',
    /stock row 2 has no SKU/,
    3,
    (e) => e.define(outright).remove(2).accept({ number: 3, sequence: 1, row: 2 }),
  ],
  [
    'an order before the sale opens',
    /opens 1 ms later/,
    2,
    (e) =>
      e.define({ ...outright, startsAtMs: laterMs + 1 }).accept({ number: 3, sequence: 1, row: 2, flags: 4 }),
  ],
  ['an order after its end', /had ended 0 ms before/, 1, (e) => e.accept({ number: 3, sequence: 3 }), endsMs],
  ['an order in a pause', /sale s is paused/, 2, (e) => e.control(1, 1).accept({ number: 3, sequence: 3 })],
  [
    'an order after the end by hand',
    /sale s had been ended/,
    2,
    (e) => e.control(1, 2).accept({ number: 3, sequence: 3 }),
  ],
  [
    'an order for a SKU left behind by a replacement',
    /of revision 2 while its sale is at revision 3/,
    3,
    (e) =>
      e
        .define({ ...outright })
        .define({ ...outright, row: 3, revision: 3, sku: 'y' })
        .accept({ number: 3, sequence: 1, row: 2, flags: 4 }),
  ],
  // What becomes of orders.
  ['a confirmation of nothing', /there is no order 3/, 1, (e) => e.settle('confirmed', 3)],
  ['a confirmation of a negative number', /there is no order -1/, 1, (e) => e.settle('confirmed', -1)],
  [
    'a second confirmation',
    /order 0 is confirmed/,
    2,
    (e) => e.settle('confirmed', 0).settle('confirmed', 0),
  ],
  [
    'a confirmation of a cancelled order',
    /order 0 is cancelled/,
    2,
    (e) => e.settle('cancelled', 0).settle('confirmed', 0),
  ],
  [
    'a cancellation of a confirmed order',
    /order 0 is confirmed/,
    2,
    (e) => e.settle('confirmed', 0).settle('cancelled', 0),
  ],
  [
    'an expiry of a confirmed order',
    /order 0 is confirmed/,
    2,
    (e) => e.settle('confirmed', 0).settle('expired', 0),
    deadlineMs - 1,
  ],
  [
    'a confirmation of an expired order',
    /order 0 is expired/,
    2,
    (e) => e.settle('expired', 0).settle('confirmed', 0),
    deadlineMs,
  ],
  [
    'a confirmation at the deadline',
    /order 0 is confirmed 0 ms after its deadline/,
    1,
    (e) => e.settle('confirmed', 0),
    deadlineMs,
  ],
  [
    'a cancellation after the deadline',
    /order 1 is cancelled 7 ms after its deadline/,
    1,
    (e) => e.settle('cancelled', 1),
    deadlineMs + 7,
  ],
  [
    'an expiry before the deadline',
    /order 0 expires 1 ms before its deadline/,
    1,
    (e) => e.settle('expired', 0),
    deadlineMs - 1,
  ],
  [
    'a reacquired order that is held',
    /order 0 is held, and only an expired one/,
    1,
    (e) => e.settle('reacquired', 0),
  ],
  [
    'a late confirmation of a cancelled order',
    /order 0 is cancelled, and only an expired one/,
    2,
    (e) => e.settle('cancelled', 0).settle('reacquired', 0),
  ],
  [
    'a second late confirmation',
    /order 0 is confirmed, and only an expired one/,
    3,
    (e) => e.settle('expired', 0).settle('reacquired', 0).settle('reacquired', 0),
    deadlineMs,
  ],
  ['a late confirmation of nothing', /there is no order 9/, 1, (e) => e.settle('reacquired', 9)],
  [
    'a late confirmation of units that are gone',
    /oversold: 3 units of s\/b .* 0 are/,
    3,
    (e) =>
      e.settle('expired', 2).accept({ number: 3, sequence: 2, row: 1, quantity: 5 }).settle('reacquired', 2),
    deadlineMs,
  ],
  [
    'a late confirmation over the limit',
    /buyer "u-1" would have 4 units/,
    3,
    (e) =>
      e
        .settle('expired', 1)
        .accept({ number: 3, sequence: 3, quantity: 2, buyer: 'u-1' })
        .settle('reacquired', 1),
    deadlineMs,
  ],
  // Restocks.
  ['a restock of no SKU', /stock row 7 has no SKU/, 1, (e) => e.restock(7, 1)],
  ['a restock of nothing', /changes nothing/, 1, (e) => e.restock(0, 0)],
  [
    'a withdrawal of held units',
    /^8 units of s\/a are withdrawn where 7 are available/,
    1,
    (e) => e.restock(0, -8),
  ],
  ['a restock beyond the limit', /more than 2000000000/, 1, (e) => e.restock(0, 1_999_999_991)],
  [
    'a restock key twice',
    /idempotency key "r", which one of shard 0/,
    2,
    (e) => e.restock(0, 1, 'r').restock(1, 1, 'r'),
  ],
  ['a restock after the end', /sale s had ended/, 1, (e) => e.restock(0, 1), endsMs],
  ['a restock after the end by hand', /sale s had ended/, 2, (e) => e.control(1, 2).restock(0, 1)],
  // Sales.
  ['a row of another number', /no stock row 65536/, 1, (e) => e.define({ ...outright, row: 65_536 })],
  ['a negative row', /no stock row -1/, 1, (e) => e.define({ ...outright, row: -1 })],
  ['a revision twice', /by revision 2 after revision 2/, 2, (e) => e.define(outright).define(outright)],
  [
    'an older revision',
    /by revision 2 after revision 3/,
    3,
    (e) =>
      e
        .define({ ...outright, revision: 3 })
        .remove(2)
        .define(outright),
  ],
  [
    'a definition over orders',
    /row 0 has orders for s\/a and is defined anew/,
    1,
    (e) => e.define({ revision: 2 }),
  ],
  [
    'a replacement of a sale with orders',
    /sale s has orders and is replaced/,
    1,
    (e) => e.define({ row: 2, revision: 2, sku: 'c' }),
  ],
  [
    'a sale that goes back',
    /sale o goes back from revision 3 to 2/,
    2,
    (e) => e.define({ ...outright, revision: 3 }).define({ ...outright, row: 3, sku: 'y' }),
  ],
  [
    'an ended sale that goes on',
    /sale o had ended for good/,
    2,
    (e) => e.define({ ...outright, state: 2 }).define({ ...outright, row: 3, sku: 'y' }),
  ],
  ['an ended sale that is resumed', /sale s had ended for good/, 2, (e) => e.control(1, 2).control(1, 0)],
  [
    'a revision that its SKUs disagree on',
    /revision 2 of sale o is not the same/,
    2,
    (e) => e.define(outright).define({ ...outright, row: 3, sku: 'y', holdSeconds: 1 }),
  ],
  [
    'a SKU in two rows',
    /SKU x of sale o is in stock row 2 already/,
    2,
    (e) => e.define(outright).define({ ...outright, row: 3 }),
  ],
  [
    'a sale number that changes',
    /sale s has number 2, and had number 1/,
    1,
    (e) => e.define({ ...outright, sale: 's' }),
  ],
  [
    'a sale id that changes',
    /sale number 1 is o, and was s/,
    1,
    (e) => e.define({ ...outright, saleNumber: 1 }),
  ],
  ['a stock that cannot be', /the stock is -1/, 1, (e) => e.define({ ...outright, total: -1 })],
  [
    'a stock beyond the limit',
    /the stock is 2000000001/,
    1,
    (e) => e.define({ ...outright, total: 2_000_000_001 }),
  ],
  [
    'a limit that cannot be',
    /the limit per buyer is 1000001/,
    1,
    (e) => e.define({ ...outright, limitPerBuyer: 1_000_001 }),
  ],
  ['a limit below zero', /the limit per buyer is -1/, 1, (e) => e.define({ ...outright, limitPerBuyer: -1 })],
  ['a hold below zero', /the hold is -1/, 1, (e) => e.define({ ...outright, holdSeconds: -1 })],
  [
    'a hold that cannot be',
    /the hold is 2592001/,
    1,
    (e) => e.define({ ...outright, holdSeconds: 2_592_001 }),
  ],
  ['a revision that cannot be', /the revision is 0; 1 to/, 1, (e) => e.define({ ...outright, revision: 0 })],
  [
    'a sale number that cannot be',
    /the sale number is 0/,
    1,
    (e) => e.define({ ...outright, saleNumber: 0 }),
  ],
  [
    'a start that is no time',
    /the start of the sale is no time/,
    1,
    (e) => e.define({ ...outright, startsAtMs: Number.NaN }),
  ],
  [
    'an end that is no time',
    /the end of the sale is no time/,
    1,
    (e) => e.define({ ...outright, endsAtMs: 0.5 }),
  ],
  [
    'a start after all time',
    /the start of the sale is no time/,
    1,
    (e) => e.define({ ...outright, startsAtMs: timeMsMax + 1, endsAtMs: Number.POSITIVE_INFINITY }),
  ],
  [
    'a start before all time',
    /the start of the sale is no time/,
    1,
    (e) => e.define({ ...outright, startsAtMs: -timeMsMax - 1 }),
  ],
  [
    'an end after all time',
    /the end of the sale is no time/,
    1,
    (e) => e.define({ ...outright, endsAtMs: timeMsMax + 1 }),
  ],
  [
    'an end before the start',
    /ends before it starts/,
    1,
    (e) => e.define({ ...outright, endsAtMs: opensMs }),
  ],
  ['a removal of nothing', /stock row 7 has no SKU/, 1, (e) => e.remove(7)],
  ['a removal of orders', /s\/a has orders and is removed/, 1, (e) => e.remove(0)],
  ['a pause of no sale', /sale number 9 is not known/, 1, (e) => e.control(9, 1)],
  [
    'a pause of a removed sale',
    /sale number 2 is not known/,
    3,
    (e) => e.define(outright).remove(2).control(2, 1),
  ],
  ['a sale state that is none', /no sale state 3/, 1, (e) => e.control(1, 3)],
  // Texts.
  ['no buyer', /the buyer is of 0 bytes/, 1, (e) => e.accept({ number: 3, sequence: 3, buyer: '' })],
  [
    'a long buyer',
    /the buyer is of 65 bytes/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, buyer: 'u'.repeat(65) }),
  ],
  [
    'a buyer with a control character',
    /the buyer is not printable/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, buyer: 'u\n' }),
  ],
  [
    'a buyer with a format character',
    /the buyer is not printable/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, buyer: 'u\u200b' }),
  ],
  [
    'a long key',
    /the idempotency key is of 66 bytes/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, key: 'ü'.repeat(33) }),
  ],
  [
    'a key with a control character',
    /the idempotency key is not printable/,
    1,
    (e) => e.accept({ number: 3, sequence: 3, key: '\u007f' }),
  ],
  ['a long restock key', /the idempotency key is too long/, 1, (e) => e.restock(0, 1, 'r'.repeat(65))],
  [
    'a sale id that is none',
    /the sale id has characters no id has/,
    1,
    (e) => e.define({ ...outright, sale: 'a b' }),
  ],
  [
    'a SKU id that is none',
    /the SKU id has characters no id has/,
    1,
    (e) => e.define({ ...outright, sku: '..' }),
  ],
  ['a long SKU id', /the SKU id is of 65 bytes/, 1, (e) => e.define({ ...outright, sku: 'x'.repeat(65) })],
  ['no SKU id', /the SKU id is of 0 bytes/, 1, (e) => e.define({ ...outright, sku: '' })],
];

describe('the first wrong entry is named:', () => {
  test.each(cases.map((one) => [one[0], one] as const))('%s', async (_, one) => {
    const [, text, entry, write, timeMs = laterMs] = one;
    const report = await auditOf(new ForgedJournal().begin().commit(timeMs, write));
    expect(report.verdict).toBe('wrong');
    expect(report.findings[0]).toMatchObject({ shard: 0, commit: 3, entry });
    expect(report.findings[0]!.text).toMatch(text);
    expect(report.shards[0]!.whole).toBe(false);
  });
});

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

describe('across shards', () => {
  const other = { row: 1, sku: 'b', total: 5, limitPerBuyer: 0, spread: true };
  const two = (write: (entries: Entries) => void, writeOther: (entries: Entries) => void) =>
    [
      new ForgedJournal(0).commit(opensMs, (entries) => write(entries.define({ spread: true }))),
      new ForgedJournal(1).commit(opensMs, (entries) => writeOther(entries.define(other))),
    ] as const;

  test('one idempotency key is one order', async () => {
    const report = await auditOf(
      ...two(
        (entries) => entries.accept({ number: 0, sequence: 1, buyer: 'u', key: 'k' }),
        (entries) => entries.accept({ number: 0, sequence: 1, row: 1, buyer: 'u', key: 'k' }),
      ),
    );
    expect(report.findings[0]).toMatchObject({ shard: 1, commit: 1, entry: 2, type: 'accepted' });
    expect(report.findings[0]!.text).toMatch(/key "k" of buyer "u", which order 0 of shard 0 has already/);
  });

  test('the same key of another buyer is another key, and so is one of a restock', async () => {
    const report = await auditOf(
      ...two(
        (entries) => entries.accept({ number: 0, sequence: 1, buyer: 'u', key: 'k' }).restock(0, 1, 'k'),
        (entries) => entries.accept({ number: 0, sequence: 1, row: 1, buyer: 'v', key: 'k' }),
      ),
    );
    expect(report.shards.map(({ whole }) => whole)).toEqual([true, true]);
  });

  test('one restock key is one restock', async () => {
    const report = await auditOf(
      ...two(
        (entries) => entries.restock(0, 1, 'r'),
        (entries) => entries.restock(1, 1, 'r'),
      ),
    );
    expect(report.findings[0]).toMatchObject({ shard: 1, commit: 1, entry: 2, type: 'restocked' });
  });

  test('a row belongs to the shard that its number says', async () => {
    const wrong = new ForgedJournal(1).commit(opensMs, (entries) => entries.define({ row: 2 }));
    const report = await auditOf(new ForgedJournal(0), wrong);
    expect(report.findings[0]).toMatchObject({
      shard: 1,
      commit: 1,
      entry: 1,
      text: 'stock row 2 belongs to shard 0',
    });
  });

  test('a sale is the same', async () => {
    const report = await auditOf(
      new ForgedJournal(0).commit(opensMs, (entries) => entries.define({ spread: true })),
      new ForgedJournal(1).commit(opensMs, (entries) => entries.define({ ...other, endsAtMs: endsMs + 1 })),
    );
    expect(report.findings[0]).toMatchObject({
      shard: 1,
      text: 'revision 1 of sale s is not the same for all its SKUs',
    });
  });
});

describe('the catalogue', () => {
  const auditWith = async (
    sales: Parameters<typeof writeFolder>[2],
    journal = new ForgedJournal().begin(),
  ) => {
    const path = tempDir();
    await writeFolder(path, [journal], sales);
    return await audit(path);
  };

  test('that agrees is sound', async () => {
    expect(await auditWith([saleRecord()])).toMatchObject({ verdict: 'sound', findings: [], notes: [] });
  });

  test.each<[string, RegExp, Parameters<typeof saleRecord>[0]]>([
    [
      'another hold',
      /the hold in seconds is 300 in the catalogue and 100/,
      { definition: { skus: saleRecord().definition.skus } },
    ],
    [
      'another stock',
      /s\/a: the stock is 11 in the catalogue and 10/,
      {
        definition: {
          holdSeconds: 100,
          skus: [
            { sku: 'a', stock: 11, limitPerBuyer: 2 },
            { sku: 'b', stock: 5 },
          ],
        },
      },
    ],
    [
      'another limit',
      /s\/b: the limit per buyer is 1 in the catalogue and 0/,
      {
        definition: {
          holdSeconds: 100,
          skus: [
            { sku: 'a', stock: 10, limitPerBuyer: 2 },
            { sku: 'b', stock: 5, limitPerBuyer: 1 },
          ],
        },
      },
    ],
    ['another start', /the start in ms is 7/, { startsAtMs: 7 }],
    ['another end', /the end in ms is Infinity/, { endsAtMs: null }],
    [
      'a revision that replaced orders',
      /s\/a has orders, and the catalogue has replaced it by s\/a/,
      { revision: 2 },
    ],
    [
      'a row of another shard',
      /puts s\/a in stock row 0 of shard 1/,
      {
        places: [
          [0, 1],
          [1, 0],
        ],
      },
    ],
    [
      'another SKU',
      /^s\/b has orders, and the catalogue has replaced it by s\/c$/,
      {
        definition: {
          holdSeconds: 100,
          skus: [
            { sku: 'a', stock: 10, limitPerBuyer: 2 },
            { sku: 'c', stock: 5 },
          ],
        },
      },
    ],
    [
      'a SKU less',
      /^s\/b is not in the catalogue, and has orders$/,
      {
        definition: { holdSeconds: 100, skus: [{ sku: 'a', stock: 10, limitPerBuyer: 2 }] },
        places: [[0, 0]],
      },
    ],
  ])('with %s is wrong', async (_, text, given) => {
    const report = await auditWith([saleRecord(given)]);
    expect(report.verdict).toBe('wrong');
    expect(report.findings.some((finding) => text.test(finding.text))).toBe(true);
  });

  test('without the sale is wrong', async () => {
    const report = await auditWith([]);
    expect(report.findings.map(({ text }) => text)).toEqual([
      'sale s is not in the catalogue',
      'sale s is not in the catalogue',
    ]);
  });

  test('in which a sale goes on that has ended in the journal is wrong', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(laterMs, (entries) => entries.control(1, SaleState.ended));
    const ended = await auditWith([saleRecord({ state: SaleState.ended })], journal);
    expect(ended.verdict).toBe('sound');
    for (const state of [SaleState.running, SaleState.paused]) {
      const { findings } = await auditWith([saleRecord({ state })], journal);
      expect(findings[0]?.text).toBe('sale s has ended in the journal, and not in the catalogue');
    }
  });

  test('that has a SKU or a stock row twice is wrong', async () => {
    const record = saleRecord();
    const twin = { ...record, id: 't', number: 2, revision: 2 };
    const texts = (await auditWith([record, twin])).findings.map(({ text }) => text);
    expect(texts).toContain('the catalogue uses stock row 0 twice');
    const [sku] = record.definition.skus;
    const skus = [sku!, sku!];
    const double = saleRecord({ definition: { ...record.definition, skus } });
    const found = (await auditWith([double])).findings.map(({ text }) => text);
    expect(found).toContain('the catalogue has s/a twice');
  });

  test('ahead of a shard is worth a note', async () => {
    const skus = [...saleRecord().definition.skus, { sku: 'c', stock: 1 }];
    const later = {
      ...saleRecord(),
      id: 't',
      number: 2,
      revision: 2,
      places: [[2, 0]] as [number, number][],
    };
    const report = await auditWith([
      saleRecord({ state: 1 }),
      { ...later, definition: { skus: skus.slice(2) } },
    ]);
    expect(report.verdict).toBe('sound');
    expect(report.notes).toEqual([
      'shard 0 has yet to be told the state of sale s',
      'shard 0 has yet to be told of t/c in revision 2',
    ]);
  });

  test('without a sale is wrong, also where that sold nothing', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(laterMs, (entries) => entries.define(outright));
    const { findings } = await auditWith([saleRecord()], journal);
    expect(findings.map(({ text }) => text)).toEqual(['sale o is not in the catalogue']);
  });
});

test('holds that nobody ended are worth a note', async () => {
  const journal = new ForgedJournal().begin();
  journal.commit(deadlineMs + 60_001, (entries) => entries.define({ ...outright, endsAtMs: 9_000_000 }));
  const { notes } = await auditOf(journal);
  expect(notes).toContain('shard 0: 3 orders are held though their deadline passed over a minute ago');
});

test('the standard sale is what the tests take it for', () => {
  expect(standardSale).toMatchObject({ startsAtMs: opensMs, endsAtMs: endsMs, holdSeconds: holdMs / 1_000 });
});
