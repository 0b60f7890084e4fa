/** What only several shards together can get wrong: the key of a restock, and whether a sale is spread. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { audit } from '../../dist/audit/audit.js';
import { ForgedJournal, holdMs, opensMs, saleRecord, writeFolder } from '../support/forged-folder.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const folder = makeTempDir();
afterAll(() => removeTempDir(folder));

test('a sale that is spread in the catalogue is so in the journal', async () => {
  const path = join(folder, 'spread');
  const other = { row: 1, total: 5, limitPerBuyer: 0, sku: 'b' };
  const journals = [
    new ForgedJournal(0).commit(opensMs, (entries) => entries.define()),
    new ForgedJournal(1).commit(opensMs, (entries) => entries.define(other)),
  ];
  const places = [
    [0, 0],
    [1, 1],
  ] as const;
  await writeFolder(path, journals, [saleRecord({ places })]);
  const { findings } = await audit(path);
  expect(findings.map(({ text }) => text)).toEqual(
    ['s/a', 's/b'].map(
      (name) => `${name}: whether several shards have it is true in the catalogue and false in the journal`,
    ),
  );
});

test('a restock key is used once by all shards that share a revision, however many used it between them', async () => {
  const path = join(folder, 'restocks');
  const restockIn = (shard: number, revision: number) =>
    new ForgedJournal(shard).commit(opensMs - 1, (entries) =>
      entries
        .define({ row: shard, sku: `sku-${shard}`, spread: true, revision, limitPerBuyer: 0 })
        .restock(shard, 1, 'r'),
    );
  await writeFolder(path, [restockIn(0, 1), restockIn(1, 2), restockIn(2, 1)], []);
  const { findings } = await audit(path);
  expect(findings[0]).toMatchObject({
    ...{ shard: 2, commit: 1, entry: 2 },
    text: 'the restock has the idempotency key "r", which one of shard 0 has already',
  });
});

test('a sale that moved to another shard after it had sold something was sold twice', async () => {
  const path = join(folder, 'moved');
  const sell = (shard: number, revision: number) =>
    new ForgedJournal(shard).commit(opensMs, (entries) =>
      entries.define({ row: shard, revision }).accept({ number: 0, sequence: 1, row: shard, quantity: 2 }),
    );
  const definition = { holdSeconds: holdMs / 1_000, skus: [{ sku: 'a', stock: 10, limitPerBuyer: 2 }] };
  const record = saleRecord({ revision: 2, definition, places: [[1, 1]] });
  for (const revisions of [
    [1, 2],
    [2, 1],
  ] as const) {
    const journals = revisions.map((revision, shard) => sell(shard, revision));
    await writeFolder(join(path, revisions.join('-')), journals, [record]);
    const { findings } = await audit(join(path, revisions.join('-')));
    expect(findings[0]).toMatchObject({ shard: 1, commit: 1 });
    expect(findings[0]!.text).toMatch(/^sale s has orders in revision \d/);
  }
});

test('a SKU that the catalogue has in another row has no orders where it was', async () => {
  const path = join(folder, 'row');
  const journals = [
    new ForgedJournal(0).commit(opensMs, (entries) => entries.define().accept({ number: 0, sequence: 1 })),
    new ForgedJournal(1),
  ];
  const definition = { holdSeconds: holdMs / 1_000, skus: [{ sku: 'a', stock: 10, limitPerBuyer: 2 }] };
  await writeFolder(path, journals, [saleRecord({ definition, places: [[1, 1]] })]);
  const { findings } = await audit(path);
  expect(findings).toContainEqual({
    shard: 0,
    text: 's/a is in another stock row in the catalogue than in row 0, and has orders there',
  });
});
