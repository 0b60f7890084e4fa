/** The stock table: one writer, any number of readers, and available + held + confirmed = total in whatever a reader sees. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { stockLayout } from '../../dist/memory/layout.js';
import { type Stock, StockTable } from '../../dist/memory/stock-table.js';
import { runs, seeded } from '../support/random.js';
import { seed } from '../support/seed.js';
import { Threads } from '../support/threads.js';
import { within } from '../support/until.js';

const none: Stock = { total: 0, available: 0, held: 0, confirmed: 0 };

function rowWith(stock: Stock, row = 0): StockTable {
  const table = new StockTable(StockTable.allocate());
  table.reset(row, stock);
  return table;
}

test('a new table reads as nothing in every row', () => {
  const table = new StockTable(StockTable.allocate());
  for (const row of [0, 1, limits.stockRowsMax - 1]) expect(table.read(row)).toEqual(none);
});

test('rows do not touch each other', () => {
  const table = new StockTable(StockTable.allocate());
  const rows = [0, 1, 2, limits.stockRowsMax - 2, limits.stockRowsMax - 1];
  for (const row of rows) table.reset(row, { total: row + 10, available: row + 5, held: 3, confirmed: 2 });
  for (const row of rows) {
    expect(table.read(row)).toEqual({ total: row + 10, available: row + 5, held: 3, confirmed: 2 });
    expect(table.available(row)).toBe(row + 5);
  }
});

test(seeded('what is published is what is read, after any change, up to the largest stock'), () => {
  const units = fc.oneof(fc.nat(10), fc.nat(limits.stockMax), fc.constant(limits.stockMax));
  const stocks = fc.tuple(units, units, units).map(([a, b, c]): Stock => {
    const total = Math.max(a, b, c);
    const available = Math.min(a, b, c);
    const held = Math.min(total - available, a + b + c - total - available);
    return { total, available, held, confirmed: total - available - held };
  });
  fc.assert(
    fc.property(fc.array(stocks, { minLength: 2, maxLength: 8 }), (states) => {
      const table = rowWith(states[0]!, 7);
      for (const [i, now] of states.entries()) {
        table.publish(7, states[Math.max(0, i - 1)]!, now);
        expect(table.read(7)).toEqual(now);
        expect(table.available(7)).toBe(now.available);
      }
    }),
    runs(300),
  );
});

const shown: Stock = { total: 10, available: 4, held: 6, confirmed: 0 };

test('a writer that stops in the middle of a change keeps nobody waiting, and shows nobody half of it', () => {
  const buffer = StockTable.allocate();
  const table = new StockTable(buffer);
  const words = new Int32Array(buffer).subarray(3 * stockLayout.rowWords, 4 * stockLayout.rowWords);
  const { version, copies, copyWords, available, total } = stockLayout;
  table.reset(3, shown);
  // As it is between the two ends of a change: some of the copy that does not count yet is written.
  const copy = copies + ((words[version]! + 1) & 1) * copyWords;
  words[copy + available] = -5;
  words[copy + total] = 1_000;
  expect(table.read(3)).toEqual(shown);
  expect(table.available(3)).toBe(shown.available);
  // The one who comes after him knows nothing of that.
  const now = { total: 11, available: 4, held: 5, confirmed: 2 };
  table.publish(3, shown, now);
  expect(table.read(3)).toEqual(now);
});

describe('publish stops a writer', () => {
  test('that does not know what is in the row', () => {
    const table = rowWith(shown);
    const wrong = { ...shown, available: 5, held: 5 };
    expect(() => table.publish(0, wrong, { ...wrong, available: 4, held: 6 })).toThrow('one writer');
  });

  test('that would take more than is available', () => {
    const table = rowWith(shown);
    expect(() => table.publish(0, shown, { ...shown, available: -1, held: 11 })).toThrow('below zero');
  });

  test('before anything is taken: the row stays as it was', () => {
    const table = rowWith(shown);
    expect(() => table.publish(0, shown, { ...shown, available: -1, held: 11 })).toThrow();
    expect(table.read(0)).toEqual(shown);
  });
});

describe(seeded('with threads'), () => {
  const threads = new Threads();
  afterEach(() => threads.stop());

  const reading = (stock: SharedArrayBuffer, row: number) =>
    within(
      'the row is read',
      threads.run<Stock>('stock-thread.mjs', { role: 'once', stock, row, start: 0 }),
      3_000,
    );

  test('readers see counters that add up, and never a negative or a torn one', async () => {
    const heldMax = 5;
    const row = 3;
    const stock = StockTable.allocate();
    const table = new StockTable(stock);
    table.reset(row, { total: 1_000, available: 1_000, held: 0, confirmed: 0 });
    const control = new SharedArrayBuffer(16);
    const shared = { stock, row, heldMax, control, readers: 2, changesMin: 200, start: seed };
    const readers = [1, 2].map(() =>
      threads.run<{ readings: number; torn: number; backwards: number; last: Stock }>('stock-thread.mjs', {
        ...shared,
        role: 'reader',
      }),
    );
    const owner = threads.run<Stock>('stock-thread.mjs', { ...shared, role: 'owner' });
    const final = await within('the owner is done', owner, 40_000);
    for (const seen of await within('the readers are done', Promise.all(readers))) {
      expect(seen.torn).toBe(0);
      expect(seen.backwards).toBe(0);
      expect(seen.last).toEqual(final);
    }
  });

  test('a row whose owner stopped in the middle of a change can still be written by the next owner', async () => {
    const stock = StockTable.allocate();
    const table = new StockTable(stock);
    table.reset(0, shown);
    expect(() => table.publish(0, shown, { total: 20, available: -1, held: 21, confirmed: 0 })).toThrow();
    table.reset(0, { total: 8, available: 8, held: 0, confirmed: 0 });
    expect(await reading(stock, 0)).toEqual({ total: 8, available: 8, held: 0, confirmed: 0 });
  });

  test.each([
    ['takes more than there is', shown, { total: 20, available: -1, held: 21, confirmed: 0 }],
    [
      'finds another writer',
      { ...shown, available: 5, held: 5 },
      { ...shown, total: 11, available: 6, held: 5 },
    ],
  ])('a reader is not held up for ever by an owner whose publish %s', async (_, before, now) => {
    const stock = StockTable.allocate();
    const table = new StockTable(stock);
    table.reset(0, shown);
    expect(() => table.publish(0, before, now)).toThrow();
    await reading(stock, 0);
  });
});
