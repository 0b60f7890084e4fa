/** What a new engine knows of what an earlier one acknowledged in the same folder, also where the clock has gone back since. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Engine, type OrderRequest } from '../../dist/index.js';
import { tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';
import { counters, expectRefusal, order, orderOf, sku, small, start, startWithSale } from './embedded.js';

describe('a folder with orders from a time that the clock has yet to reach', () => {
  const aheadMs = 3_600_000;

  /** Runs `work` while the wall clock is an hour ahead. */
  async function anHourAhead<T>(work: () => Promise<T>): Promise<T> {
    const { now } = Date;
    Date.now = () => now() + aheadMs;
    try {
      return await work();
    } finally {
      Date.now = now;
    }
  }

  test('is gone on with from there, by acceptor and shard alike, and the log says so', async () => {
    const dataDir = tempDir();
    const before = await anHourAhead(() => startWithSale({ dataDir, durability: 'fsync' }));
    const { createdAtMs } = orderOf(await before.placeOrder(order('u')));
    expect(createdAtMs).toBeGreaterThan(Date.now() + aheadMs / 2);
    await before.close();

    const warnings: object[] = [];
    const log = {
      info: () => undefined,
      warn: (details: object) => warnings.push(details),
      error: () => undefined,
    };
    const engine = await Engine.start({ dataDir, ...small, log });
    onTestFinished(() => engine.close());
    expect(warnings).toEqual([expect.objectContaining({ newest: new Date(createdAtMs).toISOString() })]);
    const at = (ms: number) => new Date(ms).toISOString();
    const open = { startsAt: at(createdAtMs - 1_000), holdSeconds: 1, skus: [{ sku, stock: 5 }] };
    const later = { startsAt: at(createdAtMs + 600_000), skus: [{ sku, stock: 5 }] };
    expect(await engine.putSale('open', open)).toMatchObject({ ok: true, sale: { phase: 'open' } });
    expect(await engine.putSale('later', later)).toMatchObject({ ok: true, sale: { phase: 'scheduled' } });
    for (const idempotencyKey of [undefined, 'k']) {
      const more = idempotencyKey === undefined ? {} : { idempotencyKey };
      expect(await engine.placeOrder(order('u', { sale: 'open', ...more }))).toMatchObject({ ok: true });
      const early = await engine.placeOrder(order('u', { sale: 'later', ...more }));
      expect(early).toMatchObject({ ok: false, code: 'not_started' });
    }
    await until('the holds to expire', () => counters(engine, 'open').held === 0, 5_000);
  });
});

test('a tail that was put aside is told of at every start', async () => {
  const dataDir = tempDir();
  const durability = 'fsync';
  await (await startWithSale({ dataDir, durability, shards: 2 })).close();
  const file = join(dataDir, 'shard-001', 'tail.bin.torn-7');
  writeFileSync(file, 'torn');
  for (let i = 0; i < 2; i++) {
    const warnings: object[] = [];
    const warn = (details: object) => warnings.push(details);
    const log = { info: () => undefined, warn, error: () => undefined };
    await (await Engine.start({ dataDir, durability, ...small, shards: 2, log })).close();
    expect(warnings).toEqual([{ shard: 1, files: [file] }]);
  }
});

describe('a restart', () => {
  test.each([
    { first: 'fsync', after: 'commit', shards: 1 },
    { first: 'commit', after: 'fsync', shards: 3 },
  ] as const)(
    'from $first to $after with $shards shards keeps everything',
    async ({ first, after, shards }) => {
      const dataDir = tempDir();
      const engine = await start({ dataDir, durability: first, shards });
      const skus = [
        { sku: 'a', stock: 100, limitPerBuyer: 3 },
        { sku: 'b', stock: 100 },
        { sku: 'c', stock: 100 },
      ];
      const definition = { name: '双十一', holdSeconds: 600, skus };
      await engine.putSale('s', definition);
      await engine.putSale('paused', { skus });
      await engine.putSale('over', { skus });
      await engine.putSale('later', {
        startsAt: '2090-01-01T00:00:00Z',
        endsAt: '2091-01-01T00:00:00Z',
        skus,
      });
      const place = async (on: Engine, buyer: string, more: Partial<OrderRequest>) =>
        orderOf(await on.placeOrder(order(buyer, more)));
      const held = await place(engine, 'u 雷', { quantity: 2, idempotencyKey: 'k-1' });
      const confirmed = await place(engine, 'u 雷', { sku: 'b', quantity: 5, idempotencyKey: 'k-2' });
      const cancelled = await place(engine, 'u 雷', { sku: 'c', quantity: 7 });
      const elsewhere = await place(engine, 'v', { sale: 'paused', sku: 'b' });
      expect([held.durability, elsewhere.durability]).toEqual([first, first]);
      await engine.confirmOrder(confirmed.orderId);
      await engine.cancelOrder(cancelled.orderId);
      await engine.restock('s', 'c', 11, { idempotencyKey: 'delivery' });
      await engine.pauseSale('paused');
      await engine.endSale('over');
      const sales = engine.sales();
      const listed = await engine.orders('s', 'u 雷');
      await engine.close();

      const again = await start({ dataDir, durability: after, shards });
      expect(again.sales()).toEqual(sales);
      expect(await again.orders('s', 'u 雷')).toEqual(listed);
      expect(await again.order(held.orderId)).toEqual({ ok: true, order: held, replayed: false });
      expect(await again.order(elsewhere.orderId)).toEqual({ ok: true, order: elsewhere, replayed: false });
      // Keys: of a held order, of one confirmed since, of a restock.
      expect(await again.placeOrder(order('u 雷', { quantity: 2, idempotencyKey: 'k-1' }))).toEqual({
        ok: true,
        order: held,
        replayed: true,
      });
      expectRefusal(await again.placeOrder(order('u 雷', { idempotencyKey: 'k-1' })), 'idempotency_conflict');
      expectRefusal(
        await again.placeOrder(order('u 雷', { sku: 'c', idempotencyKey: 'k-2' })),
        'idempotency_conflict',
      );
      expect(await again.restock('s', 'c', 11, { idempotencyKey: 'delivery' })).toMatchObject({
        replayed: true,
      });
      expectRefusal(
        await again.restock('s', 'c', 12, { idempotencyKey: 'delivery' }),
        'idempotency_conflict',
      );
      // Limits, sequences and steps.
      expectRefusal(await again.placeOrder(order('u 雷', { quantity: 2 })), 'limit_reached');
      const next = await place(again, 'u 雷', { quantity: 1 });
      expect(next).toMatchObject({ sequence: 2, durability: after });
      expect(await place(again, 'w', { sku: 'c' })).toMatchObject({ sequence: 2 });
      expectRefusal(await again.confirmOrder(cancelled.orderId), 'order_cancelled');
      expect(await again.confirmOrder(held.orderId)).toMatchObject({ ok: true, replayed: false });
      // Phases.
      expectRefusal(await again.placeOrder(order('x', { sale: 'paused' })), 'paused');
      expectRefusal(await again.placeOrder(order('x', { sale: 'over' })), 'ended');
      expectRefusal(await again.placeOrder(order('x', { sale: 'later' })), 'not_started');
      expect(await again.putSale('s', definition)).toMatchObject({ ok: true, created: false });
      expect(await again.resumeSale('paused')).toMatchObject({ ok: true, sale: { phase: 'open' } });
      expect(await place(again, 'x', { sale: 'paused', sku: 'b' })).toMatchObject({ sequence: 2 });
      // A new sale gets places of its own.
      expect(await again.putSale('new', { skus })).toMatchObject({ ok: true, created: true });
      expect(await place(again, 'x', { sale: 'new' })).toMatchObject({ sequence: 1 });
    },
  );

  test('lets holds expire at their old deadline, also one that passed in between', async () => {
    const dataDir = tempDir();
    const options = { dataDir, durability: 'fsync' } as const;
    const engine = await start(options);
    await engine.putSale('s', { holdSeconds: 1, skus: [{ sku, stock: 10, limitPerBuyer: 1 }] });
    await engine.putSale('long', { holdSeconds: 5, skus: [{ sku, stock: 10 }] });
    const passed = orderOf(await engine.placeOrder(order('u', { idempotencyKey: 'k' })));
    const later = orderOf(await engine.placeOrder({ ...order('u'), sale: 'long' }));
    await engine.close();
    await until('the first deadline to pass', () => Date.now() > passed.expiresAtMs!);
    const again = await start(options);
    await until('the first hold to expire', () => counters(again).held === 0);
    expect(counters(again)).toEqual({ total: 10, available: 10, held: 0, confirmed: 0 });
    expect(await again.order(passed.orderId)).toMatchObject({ order: { ...passed, status: 'expired' } });
    // Its unit counts no more against the limit.
    orderOf(await again.placeOrder(order('u')));
    expect(await again.confirmOrder(passed.orderId)).toMatchObject({
      code: 'order_expired',
      refundRequired: true,
    });
    expect(await again.order(later.orderId)).toMatchObject({ order: { status: 'held' } });
    await until('the second hold to expire', async () => {
      const outcome = await again.order(later.orderId);
      return outcome.ok && outcome.order.status === 'expired';
    });
    expect(Date.now()).toBeGreaterThanOrEqual(later.expiresAtMs! - 1);
  });

  test('knows a sale as it was replaced, and nothing of what it was before', async () => {
    const dataDir = tempDir();
    const options = { dataDir, durability: 'fsync', shards: 3 } as const;
    const engine = await start(options);
    const startsAt = new Date(Date.now() + 3_600_000).toISOString();
    const sale = (...skus: [sku: string, stock: number][]) => ({
      startsAt,
      skus: skus.map(([name, stock]) => ({ sku: name, stock })),
    });
    await engine.putSale('s', sale(['a', 1], ['b', 2], ['c', 3], ['d', 4]));
    await engine.restock('s', 'a', 100);
    await engine.putSale('s', sale(['d', 40], ['a', 10]));
    // Other sales take the places that became free.
    await engine.putSale('t', sale(['x', 5], ['y', 6], ['z', 7]));
    await engine.putSale('s', sale(['d', 41], ['e', 50]));
    const sales = engine.sales();
    expect(sales.map(({ skus }) => skus.map(({ total }) => total))).toEqual([
      [41, 50],
      [5, 6, 7],
    ]);
    await engine.close();

    const again = await start(options);
    expect(again.sales()).toEqual(sales);
    expect(await again.putSale('s', { skus: [{ sku: 'e', stock: 1 }] })).toMatchObject({ ok: true });
    expect(await again.putSale('t', { skus: [{ sku: 'z', stock: 1 }] })).toMatchObject({ ok: true });
    expect(orderOf(await again.placeOrder({ sale: 's', sku: 'e', buyer: 'u' })).sequence).toBe(1);
    expect(orderOf(await again.placeOrder({ sale: 't', sku: 'z', buyer: 'u' })).sequence).toBe(1);
    expectRefusal(await again.placeOrder({ sale: 's', sku: 'd', buyer: 'u' }), 'sku_not_found');
    await again.close();
    const third = await start(options);
    expect(third.sales().map(({ skus }) => skus)).toEqual([
      [{ sku: 'e', total: 1, available: 0, held: 1, confirmed: 0, limitPerBuyer: null }],
      [{ sku: 'z', total: 1, available: 0, held: 1, confirmed: 0, limitPerBuyer: null }],
    ]);
  });
});
