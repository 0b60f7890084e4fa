/** Journals in a right hash chain whose entries about sales, restocks and names are wrong: the auditor names the first such entry. */

import { endsMs, opensMs } from '../support/forged-folder.js';
import { type Case, firstWrongEntries, outright, timeMsMax } from './forged-audit.js';

const cases: readonly Case[] = [
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

firstWrongEntries(cases);
