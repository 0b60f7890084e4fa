/**
 * Journals in a right hash chain whose entries about orders are wrong: the auditor names the first such entry. Each of
 * its checks of entries has a case that makes it speak, here or in entries-sales.test.ts.
 */
import { expect, test } from 'vitest';
import { endsMs, ForgedJournal, holdMs, opensMs, standardSale } from '../support/forged-folder.js';
import { auditOf, type Case, deadlineMs, firstWrongEntries, laterMs, outright } from './forged-audit.js';

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
];

firstWrongEntries(cases);

test('holds that nobody ended are worth a note', async () => {
  const journal = new ForgedJournal().begin();
  journal.commit(deadlineMs + 60_001, (entries) => entries.define({ ...outright, endsAtMs: 9_000_000 }));
  const { notes } = await auditOf(journal);
  expect(notes).toContain('shard 0: 3 orders are held though their deadline passed over a minute ago');
});

test('the standard sale is what the tests take it for', () => {
  expect(standardSale).toMatchObject({ startsAtMs: opensMs, endsAtMs: endsMs, holdSeconds: holdMs / 1_000 });
});
