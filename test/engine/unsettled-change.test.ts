/**
 * A change to a sale that the disk refused, in a catalogue that cannot be read then: nobody knows whether it is there.
 * Until that is known the sale that would be replaced sells nothing, and nothing else is changed.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { tempDir } from '../support/temp-dir.js';
import { makeUnreadable } from '../support/unreadable-database.js';
import { until } from '../support/until.js';
import { expectRefusal, order, sku, small, start } from './embedded.js';

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('a replacement of which nobody knows whether it is stored', () => {
  async function unsettled() {
    const dataDir = tempDir();
    const engine = await start({ dataDir, durability: 'fsync' });
    const startsAt = inAnHour();
    const before = { startsAt, skus: [{ sku, stock: 100 }] };
    const after = { startsAt, skus: [{ sku, stock: 50 }] };
    expect(await engine.putSale('s', before)).toMatchObject({ ok: true });
    expect(await engine.putSale('open', { skus: [{ sku, stock: 10 }] })).toMatchObject({ ok: true });
    const mend = makeUnreadable(join(dataDir, 'catalogue'));
    expectRefusal(await engine.putSale('s', after), 'overloaded');
    return { dataDir, engine, before, after, mend };
  }

  test('holds up every change, and no order of another sale', async () => {
    const { engine, after, mend } = await unsettled();
    expectRefusal(await engine.putSale('s', after), 'overloaded');
    expectRefusal(await engine.putSale('t', after), 'overloaded');
    expectRefusal(await engine.pauseSale('open'), 'overloaded');
    expectRefusal(await engine.restock('s', sku, 1), 'overloaded');
    expectRefusal(await engine.placeOrder(order('u')), 'not_started');
    expectRefusal(await engine.placeOrder(order('u', { idempotencyKey: 'k' })), 'not_started');
    expect(await engine.placeOrder(order('u', { sale: 'open' }))).toMatchObject({ ok: true });
    mend();
  });

  test('comes to its end once the disk can be read', async () => {
    const { engine, after, mend } = await unsettled();
    mend();
    await until('a change is taken', async () => (await engine.pauseSale('open')).ok);
    expect(engine.stock('s', sku)).toMatchObject({ sku: { total: 100 } });
    expect(await engine.putSale('s', after)).toMatchObject({ ok: true, created: false });
    expect(engine.stock('s', sku)).toMatchObject({ sku: { total: 50 } });
  });

  test('leaves a folder that starts', async () => {
    const { dataDir, engine, before, mend } = await unsettled();
    await engine.close();
    mend();
    const again = await start({ dataDir, durability: 'fsync' });
    expect(await again.putSale('s', before)).toMatchObject({ ok: true, created: false });
  });
});

test('a catalogue that is older than the shards is refused: the next sale would get the orders of a lost one', async () => {
  const dataDir = tempDir();
  const first = await start({ dataDir, durability: 'fsync' });
  expect(await first.putSale('a', { skus: [{ sku, stock: 1 }] })).toMatchObject({ ok: true });
  await first.close();
  const catalogue = join(dataDir, 'catalogue');
  const backup = join(tempDir(), 'catalogue');
  cpSync(catalogue, backup, { recursive: true });
  const second = await start({ dataDir, durability: 'fsync' });
  expect(await second.putSale('b', { skus: [{ sku, stock: 1 }] })).toMatchObject({ ok: true });
  await second.close();
  cpSync(backup, catalogue, { recursive: true });
  await expect(Engine.start({ dataDir, durability: 'fsync', ...small })).rejects.toMatchObject({
    code: 'data_dir_damaged',
    message: expect.stringContaining('copies of different moments'),
  });
});
