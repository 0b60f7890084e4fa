/** What journals say beside each other, and beside the catalogue: keys and sales across shards, and what was declared. */
import { describe, expect, test } from 'vitest';
import { audit } from '../../dist/audit/audit.js';
import { SaleState } from '../../dist/sale/phase.js';
import {
  type Entries,
  endsMs,
  ForgedJournal,
  opensMs,
  saleRecord,
  writeFolder,
} from '../support/forged-folder.js';
import { tempDir } from '../support/temp-dir.js';
import { auditOf, laterMs, outright } from './forged-audit.js';

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
