/** How an engine ends: `close` answers what is in flight and admits nothing; a shard that runs out of heap ends alone. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Engine, LeiniaoError } from '../../dist/index.js';
import { stallShard } from '../support/stalled-store.js';
import { tempDir } from '../support/temp-dir.js';
import { within } from '../support/until.js';
import { counters, expectRefusal, order, orderOf, sku, start, startWithSale } from './embedded.js';

test('a shard that runs out of heap is started again from its store; the others sell on, and the process lives', () => {
  const script = fileURLToPath(new URL('../support/out-of-memory.mjs', import.meta.url));
  const bomb = new URL('../support/heap-bomb.mjs', import.meta.url).href;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', bomb, script, tempDir()],
    {
      encoding: 'utf8',
      timeout: 50_000,
    },
  );
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    ...{ listing: 'shard_recovering', meanwhile: 'accepted', because: 1 },
    ...{ again: 'replayed', counters: { total: 10, available: 9, held: 1, confirmed: 0 } },
  });
});

describe('close', () => {
  test('leaves no server behind that was about to listen', async () => {
    const engine = await start();
    const listening = engine.listen({ port: 0 }).catch((error: unknown) => error);
    await engine.close();
    expect(await listening).toMatchObject({ code: 'listen_failed' });
  });

  test('answers what is in flight, and may be called again', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' }, 10_000);
    const batch = engine.placeOrders(Array.from({ length: 2_000 }, (_, i) => order(`u-${i}`)));
    const one = engine.placeOrder(order('v'));
    await Promise.all([engine.close(), engine.close()]);
    expect((await batch).accepted).toBe(2_000);
    // A batch leaves it room.
    orderOf(await one);
    const again = await start({ dataDir, durability: 'fsync' });
    expect(counters(again).held).toBeGreaterThanOrEqual(2_000);
  });

  test('answers what waits for a disk that is slow', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' });
    const store = await stallShard(dataDir, (buyer) => engine.placeOrder(order(buyer)));
    const waiting = engine.placeOrder(order('u'));
    const closed = engine.close();
    await store.release();
    orderOf(await waiting);
    await closed;
  });

  test.each([
    ['a listing', (engine: Engine) => engine.orders('s', 'u')],
    ['a new sale', (engine: Engine) => engine.putSale('t', { skus: [{ sku: 'b', stock: 1 }] })],
    ['a pause', (engine: Engine) => engine.pauseSale('s')],
    ['a restock', (engine: Engine) => engine.restock('s', sku, 1)],
  ])('answers %s that is under way: done, or refused', async (_, call) => {
    const engine = await startWithSale();
    await engine.placeOrders(Array.from({ length: 200 }, () => order('u')));
    const answer = call(engine);
    await within('the close', engine.close());
    const outcome: { readonly ok: boolean } = await within<{ readonly ok: boolean }>(
      'the answer',
      answer,
      2_000,
    );
    if (!outcome.ok) expectRefusal(outcome);
  });

  test('refuses every call that comes after it, as shutting_down', async () => {
    const engine = await startWithSale();
    const { orderId } = orderOf(await engine.placeOrder(order('u')));
    await engine.close();
    expect(engine.ready).toBe(false);
    expectRefusal(await engine.placeOrder(order('u')), 'shutting_down');
    const outcomes = await engine.placeOrders([order('u'), order('v')]);
    expect(outcomes.length).toBe(2);
    for (const outcome of outcomes) expectRefusal(outcome, 'shutting_down');
    expectRefusal(await engine.order(orderId), 'shutting_down');
    expectRefusal(await engine.confirmOrder(orderId), 'shutting_down');
    expectRefusal(await engine.cancelOrder(orderId), 'shutting_down');
    expectRefusal(await engine.orders('s', 'u'), 'shutting_down');
    expectRefusal(await engine.restock('s', sku, 1), 'shutting_down');
    expectRefusal(await engine.putSale('t', { skus: [{ sku, stock: 1 }] }), 'shutting_down');
    expectRefusal(await engine.pauseSale('s'), 'shutting_down');
    expectRefusal(await engine.resumeSale('s'), 'shutting_down');
    expectRefusal(await engine.endSale('s'), 'shutting_down');
  });

  test('leaves nothing to listen with', async () => {
    const engine = await start();
    await engine.listen({ port: 0 });
    await engine.close();
    await expect(engine.listen({ port: 0 })).rejects.toBeInstanceOf(LeiniaoError);
  });
});
