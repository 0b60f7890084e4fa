/** Sale definitions on disk: every record comes back as it was, the newest of each sale, in the order of creation. */
import { createHash } from 'node:crypto';
import fs, { readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { open as openLmdb } from 'lmdb';
import { describe, expect, test, vi } from 'vitest';
import type { SaleRecord } from '../../dist/sale/catalogue.js';
import type { SaleState } from '../../dist/sale/phase.js';
import { isPrintable } from '../../dist/sale/rules.js';
import { CatalogueStore, UnsettledPut } from '../../dist/store/catalogue-store.js';
import { databaseFile } from '../../dist/store/lmdb.js';
import { storeId } from '../support/commits.js';
import { runs, seeded } from '../support/random.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';
import { makeUnreadable } from '../support/unreadable-database.js';

const record = (id: string, number: number): SaleRecord => ({
  id,
  number,
  revision: number,
  definition: { name: 'Phones 雷鸟', skus: [{ sku: 'a', stock: 2_000_000_000, limitPerBuyer: 1 }] },
  startsAtMs: 1_800_000_000_000,
  endsAtMs: null,
  state: 0,
  places: [[3, 1]],
});

test('a new catalogue is empty', async () => {
  const store = new CatalogueStore(join(tempDir(), 'catalogue'), storeId);
  expect(store.read()).toEqual([]);
  await store.close();
});

test('a sale that was stored for another store is refused', async () => {
  const path = join(tempDir(), 'catalogue');
  await databaseWith(path, record('s', 1));
  const other = new CatalogueStore(path, 'f'.repeat(32));
  expect(() => other.read()).toThrow(expect.objectContaining({ code: 'data_dir_damaged' }));
  await other.close();
  const own = new CatalogueStore(path, storeId);
  expect(own.read()).toEqual([record('s', 1)]);
  await own.close();
});

test('a sale of 1,024 SKUs comes back whole', async () => {
  const path = join(tempDir(), 'catalogue');
  const store = new CatalogueStore(path, storeId);
  const skus = Array.from({ length: 1_024 }, (_, i) => ({ sku: `${'x'.repeat(60)}${i}`, stock: i }));
  const large: SaleRecord = {
    ...record('large', 1),
    definition: { skus },
    places: skus.map((_, i): [number, number] => [i, i % 7]),
  };
  await store.put(large);
  await store.close();
  const again = new CatalogueStore(path, storeId);
  expect(again.read()).toEqual([large]);
  await again.close();
});

describe(seeded('a catalogue on disk'), () => {
  const sku = fc.record(
    {
      sku: fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/),
      stock: fc.nat(2_000_000_000),
      limitPerBuyer: fc.integer({ min: 1, max: 1_000_000 }),
    },
    { requiredKeys: ['sku', 'stock'] },
  );
  const definition = fc.record(
    {
      name: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => isPrintable(text, 256)),
      startsAt: fc.constantFrom('2026-11-11T00:00:00Z', '2026-11-11T08:00:00.123+08:00'),
      endsAt: fc.constant('2026-12-11T00:00:00Z'),
      holdSeconds: fc.nat(2_592_000),
      skus: fc.array(sku, { minLength: 1, maxLength: 5 }),
    },
    { requiredKeys: ['skus'] },
  );
  const sale = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'Z', '-', '_', '0'.repeat(64)),
    revision: fc.nat(1_000_000),
    definition,
    startsAtMs: fc.nat(4_000_000_000_000),
    endsAtMs: fc.option(fc.nat(4_000_000_000_000)),
    state: fc.constantFrom<SaleState>(0, 1, 2),
    reopen: fc.boolean(),
  });

  test('has the newest record of each sale, oldest sale first, as often as it is opened', async () => {
    const folder = makeTempDir();
    let folders = 0;
    const property = fc.asyncProperty(fc.array(sale, { maxLength: 10 }), async (sales) => {
      const path = join(folder, `${folders++}`);
      let store = new CatalogueStore(path, storeId);
      // By id, in the order of creation.
      const model = new Map<string, SaleRecord>();
      for (const { reopen, ...given } of sales) {
        const number = model.get(given.id)?.number ?? model.size + 1;
        const places = given.definition.skus.map((_, i): [number, number] => [i * 2, 0]);
        const stored: SaleRecord = {
          ...given,
          definition: structuredClone(given.definition) as SaleRecord['definition'],
          number,
          places,
        };
        await store.put(stored);
        model.set(given.id, stored);
        if (reopen) {
          await store.close();
          store = new CatalogueStore(path, storeId);
        }
        expect(store.read()).toEqual([...model.values()]);
      }
      await store.close();
    });
    try {
      await fc.assert(property, runs(40));
    } finally {
      removeTempDir(folder);
    }
  });
});

/** Bytes behind their hash. */
function sealed(...bytes: readonly number[]): Buffer {
  const content = Buffer.from(bytes);
  return Buffer.concat([createHash('sha256').update(storeId).update(content).digest(), content]);
}

test.each([
  ['empty', Buffer.alloc(0)],
  ['shorter than its hash', Buffer.alloc(31)],
  ['another than its hash says', Buffer.concat([sealed(0x80), Buffer.of(0)])],
  ['cut short', sealed(0x87, 0xa2)],
  ['a number', sealed(0x07)],
  ['an empty map', sealed(0x80)],
])('a stored sale that is %s is damage, and named', async (_, bytes) => {
  const path = join(tempDir(), 'catalogue');
  const store = new CatalogueStore(path, storeId);
  await store.put(record('good', 1));
  await store.put(record('bad', 2));
  await store.close();
  const environment = openLmdb<Buffer, string>({
    path,
    encoding: 'binary',
    noSubdir: false,
    overlappingSync: false,
  });
  environment.openDB<Buffer, string>({ name: 'sales', encoding: 'binary' }).putSync('bad', bytes);
  await environment.close();
  const again = new CatalogueStore(path, storeId);
  expect(() => again.read()).toThrow(expect.objectContaining({ code: 'data_dir_damaged' }));
  expect(() => again.read()).toThrow('bad');
  await again.close();
});

describe('a sale that could not be stored, in a catalogue that cannot be opened then,', () => {
  async function unsettled() {
    const path = join(tempDir(), 'catalogue');
    const store = new CatalogueStore(path, storeId);
    await store.put(record('before', 1));
    const mend = makeUnreadable(path);
    await expect(store.put(record('after', 2))).rejects.toThrow(UnsettledPut);
    await expect(store.settle()).rejects.toThrow(UnsettledPut);
    return { path, store, mend };
  }

  test('is found not to be there once it can', async () => {
    const { path, store, mend } = await unsettled();
    mend();
    expect(await store.settle()).toBe(false);
    await store.put(record('after', 3));
    expect(store.read()).toEqual([record('before', 1), record('after', 3)]);
    await store.close();
    const again = new CatalogueStore(path, storeId);
    expect(again.read()).toEqual([record('before', 1), record('after', 3)]);
    await again.close();
  });

  test('is found to be there where it is', async () => {
    const { path, store, mend } = await unsettled();
    mend();
    const twin = join(tempDir(), 'catalogue');
    writeFileSync(
      join(path, databaseFile),
      await databaseWith(twin, record('before', 1), record('after', 2)),
    );
    // It would be there in memory only where it cannot be committed.
    const room = vi.spyOn(fs, 'statfsSync').mockReturnValue({ bavail: 0, bsize: 4_096 } as never);
    syncBuiltinESMExports();
    try {
      await expect(store.settle()).rejects.toThrow(UnsettledPut);
    } finally {
      room.mockRestore();
      syncBuiltinESMExports();
    }
    expect(await store.settle()).toBe(true);
    expect(store.read()).toEqual([record('before', 1), record('after', 2)]);
    await store.close();
  });

  test('is left as it is by who closes', async () => {
    const { path, store, mend } = await unsettled();
    await store.close();
    mend();
    const again = new CatalogueStore(path, storeId);
    expect(again.read()).toEqual([record('before', 1)]);
    await again.close();
  });
});

/** The file of a catalogue with these records. */
async function databaseWith(path: string, ...records: readonly SaleRecord[]): Promise<Buffer> {
  const store = new CatalogueStore(path, storeId);
  for (const one of records) await store.put(one);
  await store.close();
  return readFileSync(join(path, databaseFile));
}
