/** The embedding API: what `import … from 'leiniao'` gives, and what an engine does with sales and orders. On real threads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as leiniao from '../../dist/index.js';
import { tempDir } from '../support/temp-dir.js';
import { within } from '../support/until.js';
import {
  counters,
  expectRefusal,
  freshSale,
  order,
  orderOf,
  shared,
  shareEngine,
  sku,
  start,
  startWithSale,
} from './embedded.js';

shareEngine();

describe('the package', () => {
  test('exports the engine, the codes, the error class and what verifies receipts, and nothing else', () => {
    expect(Object.keys(leiniao).sort()).toEqual(['Engine', 'LeiniaoError', 'codes', 'verifyReceipt']);
  });
});

describe('an engine', () => {
  test('tells its shards, its durability and whether it is ready', async () => {
    const engine = await start({ shards: 2 });
    expect([engine.shards, engine.durability, engine.ready]).toEqual([2, 'memory', true]);
    const stored = await start({ dataDir: tempDir(), durability: 'fsync' });
    expect([stored.shards, stored.durability, stored.ready]).toEqual([1, 'fsync', true]);
  });

  test('runs sales: put, read, pause, resume, end, with times in milliseconds', async () => {
    const engine = await start();
    const startsAtMs = Date.now() + 3_600_000;
    const definition = {
      name: 'Double 11',
      startsAt: new Date(startsAtMs).toISOString(),
      holdSeconds: 60,
      skus: [
        { sku: 'a', stock: 5, limitPerBuyer: 2 },
        { sku: 'b', stock: 0 },
      ],
    };
    const view = {
      id: 's',
      name: 'Double 11',
      phase: 'scheduled',
      startsAtMs,
      endsAtMs: null,
      holdSeconds: 60,
      skus: [
        { sku: 'a', total: 5, available: 5, held: 0, confirmed: 0, limitPerBuyer: 2 },
        { sku: 'b', total: 0, available: 0, held: 0, confirmed: 0, limitPerBuyer: null },
      ],
    };
    expect(await engine.putSale('s', definition)).toEqual({ ok: true, created: true, sale: view });
    expect(await engine.putSale('s', definition)).toEqual({ ok: true, created: false, sale: view });
    expect(engine.sale('s')).toEqual(view);
    expect(engine.sales()).toEqual([view]);
    expect(engine.stock('s', 'a')).toEqual({ ok: true, sku: view.skus[0] });
    const open = { ...definition, startsAt: '2020-01-01T00:00:00+01:00' };
    expect(await engine.putSale('s', open)).toMatchObject({
      ok: true,
      created: false,
      sale: { phase: 'open', startsAtMs: Date.UTC(2019, 11, 31, 23) },
    });
    expect(await engine.pauseSale('s')).toMatchObject({ ok: true, sale: { phase: 'paused' } });
    expectRefusal(await engine.placeOrder(order('u')), 'paused');
    expect(await engine.resumeSale('s')).toMatchObject({ ok: true, sale: { phase: 'open' } });
    expect(await engine.endSale('s')).toMatchObject({ ok: true, sale: { phase: 'ended' } });
    expectRefusal(await engine.placeOrder(order('u')), 'ended');
    expectRefusal(await engine.resumeSale('s'), 'ended');
    expectRefusal(await engine.putSale('s', definition), 'sale_open');
    expect(engine.sale('none')).toBeUndefined();
    expectRefusal(engine.stock('none', 'a'), 'sale_not_found');
    expectRefusal(engine.stock('s', 'none'), 'sku_not_found');
    for (const change of ['pauseSale', 'resumeSale', 'endSale'] as const) {
      expectRefusal(await engine[change]('none'), 'sale_not_found');
    }
  });

  test('takes orders: placed, read, confirmed, cancelled, listed, and every outcome is a value', async () => {
    const engine = shared;
    const { sale, order, counters } = await freshSale({
      holdSeconds: 60,
      skus: [{ sku, stock: 5, limitPerBuyer: 2 }],
    });
    const before = Date.now();
    const placed = await engine.placeOrder(order('u-1', { quantity: 2 }));
    const first = orderOf(placed);
    expect(placed).toEqual({
      ok: true,
      replayed: false,
      order: {
        orderId: expect.stringMatching(/^\S+$/),
        sale,
        sku,
        buyer: 'u-1',
        quantity: 2,
        status: 'held',
        sequence: 1,
        createdAtMs: expect.any(Number),
        expiresAtMs: first.createdAtMs + 60_000,
        reacquired: false,
        durability: 'memory',
      },
    });
    expect(first.createdAtMs).toBeGreaterThanOrEqual(before - 1);
    expect(first.createdAtMs).toBeLessThanOrEqual(Date.now() + 1);
    expect(await engine.order(first.orderId)).toEqual({ ok: true, order: first, replayed: false });
    expectRefusal(await engine.placeOrder(order('u-1')), 'limit_reached');

    const confirmed = { ...first, status: 'confirmed', expiresAtMs: null };
    expect(await engine.confirmOrder(first.orderId)).toEqual({ ok: true, order: confirmed, replayed: false });
    expect(await engine.confirmOrder(first.orderId)).toEqual({ ok: true, order: confirmed, replayed: true });
    expectRefusal(await engine.cancelOrder(first.orderId), 'order_confirmed');

    const second = orderOf(await engine.placeOrder(order('u-2', { idempotencyKey: 'k' })));
    expect(await engine.placeOrder(order('u-2', { idempotencyKey: 'k', quantity: 1 }))).toEqual({
      ok: true,
      order: second,
      replayed: true,
    });
    expectRefusal(
      await engine.placeOrder(order('u-2', { idempotencyKey: 'k', quantity: 2 })),
      'idempotency_conflict',
    );
    expect(await engine.cancelOrder(second.orderId)).toMatchObject({ ok: true, replayed: false });
    expect(await engine.cancelOrder(second.orderId)).toMatchObject({ ok: true, replayed: true });
    expectRefusal(await engine.confirmOrder(second.orderId), 'order_cancelled');

    const third = orderOf(await engine.placeOrder(order('u-2')));
    expect(third.sequence).toBe(3);
    expect(await engine.orders(sale, 'u-2')).toEqual({
      ok: true,
      orders: [{ ...second, status: 'cancelled', expiresAtMs: null }, third],
      truncated: false,
    });
    expect(counters()).toEqual({ total: 5, available: 2, held: 1, confirmed: 2 });
    expectRefusal(await engine.placeOrder(order('u-3', { quantity: 3 })), 'limit_reached');
    expectRefusal(await engine.placeOrder({ ...order('u-3'), sale: 'none' }), 'sale_not_found');
    expectRefusal(await engine.placeOrder({ ...order('u-3'), sku: 'none' }), 'sku_not_found');
    expectRefusal(await engine.order('0123456789abcdef'), 'order_not_found');
    expectRefusal(await engine.orders('none', 'u-1'), 'sale_not_found');
  });

  test('restocks and withdraws, once per key', async () => {
    const engine = shared;
    const { sale } = await freshSale({ skus: [{ sku, stock: 5 }] });
    const options = { idempotencyKey: 'delivery' };
    const line = { sku, held: 0, confirmed: 0, limitPerBuyer: null };
    const done = { ok: true, replayed: false, sku: { ...line, total: 8, available: 8 } };
    expect(await engine.restock(sale, sku, 3, options)).toEqual(done);
    expect(await engine.restock(sale, sku, 3, options)).toEqual({ ...done, replayed: true });
    expectRefusal(await engine.restock(sale, sku, 4, options), 'idempotency_conflict');
    expect(await engine.restock(sale, sku, -8)).toMatchObject({ ok: true, sku: { total: 0, available: 0 } });
    expectRefusal(await engine.restock(sale, sku, -1), 'insufficient_stock');
    expectRefusal(await engine.restock(sale, sku, 0), 'invalid_request');
    expectRefusal(await engine.restock(sale, sku, 2_000_000_001), 'invalid_request');
    for (const wrong of ['delivery-7', { idempotencykey: 'delivery-8' }, null, ['k']]) {
      expectRefusal(await engine.restock(sale, sku, 3, wrong as never), 'invalid_request');
    }
    expect(await engine.restock(sale, sku, 3, { idempotencyKey: undefined } as never)).toMatchObject({
      sku: { total: 3 },
    });
    expect(await engine.restock(sale, sku, -3)).toMatchObject({ sku: { total: 0 } });
    expectRefusal(await engine.restock('none', sku, 1), 'sale_not_found');
    expectRefusal(await engine.restock(sale, 'none', 1), 'sku_not_found');
  });

  test('tells when trying again may help, where it knows', async () => {
    const startsAt = new Date(Date.now() + 60_000).toISOString();
    const { order } = await freshSale({ startsAt });
    const outcome = await shared.placeOrder(order('u'));
    expectRefusal(outcome, 'not_started');
    expect(outcome).toMatchObject({ retryAfterSeconds: 60 });
  });

  test('lists the oldest thousand of a buyer’s orders and says that there are more', async () => {
    const { sale, order } = await freshSale({ skus: [{ sku, stock: 3_000 }] });
    const requests = Array.from({ length: 1_001 }, () => order('u'));
    const orders = Array.from(await shared.placeOrders(requests), orderOf);
    expect(await shared.orders(sale, 'u')).toEqual({
      ok: true,
      orders: orders.slice(0, 1_000),
      truncated: true,
    });
  });

  test('takes as many orders as ordersPerShardMax says, and refuses the rest without a trace', async () => {
    const dataDir = tempDir();
    const options = { dataDir, durability: 'fsync', ordersPerShardMax: 1_024 } as const;
    const engine = await startWithSale(options, 5_000);
    const outcomes = [
      ...(await engine.placeOrders(Array.from({ length: 1_200 }, (_, i) => order(`u-${i}`)))),
    ];
    expect(outcomes.filter(({ ok }) => ok).length).toBe(1_024);
    for (const outcome of outcomes.slice(1_024)) expectRefusal(outcome, 'overloaded');
    expectRefusal(await engine.placeOrder(order('v', { idempotencyKey: 'k' })), 'overloaded');
    expect(counters(engine)).toEqual({ total: 5_000, available: 5_000 - 1_024, held: 1_024, confirmed: 0 });
    await engine.close();
    const larger = await start({ ...options, ordersPerShardMax: 2_048 });
    expect(orderOf(await larger.placeOrder(order('v', { idempotencyKey: 'k' }))).sequence).toBe(1_025);
  });

  test('takes keyed restocks to its limit and refuses the rest; the shard goes on', async () => {
    // In a process of its own: a shard that hangs neither stops nor lets anybody else run.
    const script = `
      import { Engine } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
      const options = { durability: 'memory', shards: 1, inFlightMax: 256, ordersPerShardMax: 1_024 };
      const engine = await Engine.start({ ...options, replyDeadlineMs: 1_000 });
      await engine.putSale('s', { skus: [{ sku: 'a', stock: 5 }] });
      let restocked = 0;
      let refusal;
      // Short keys: more of them fit the memory for keys than there are slots to find them by.
      while (refusal === undefined && restocked < 6_000) {
        const outcome = await engine.restock('s', 'a', 1, { idempotencyKey: restocked.toString(36) });
        if (outcome.ok) restocked += 1;
        else refusal = outcome.code;
      }
      const order = await engine.placeOrder({ sale: 's', sku: 'a', buyer: 'u' });
      const { total } = engine.stock('s', 'a').sku;
      process.stdout.write(JSON.stringify({ restocked, total, refusal, order: order.code ?? 'accepted' }));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    const [output] = await within('a result', once(child.stdout, 'data'), 30_000);
    const { restocked, ...result } = JSON.parse(String(output));
    expect(result).toEqual({ total: 5 + restocked, refusal: 'overloaded', order: 'accepted' });
    expect(restocked).toBeGreaterThanOrEqual(1_024);
  });
});

describe('two engines in one process', () => {
  test('know nothing of each other', async () => {
    const engines = [
      await startWithSale({ dataDir: tempDir(), durability: 'fsync', shards: 2 }, 10),
      await startWithSale({ dataDir: tempDir(), durability: 'commit' }, 20),
    ] as const;
    const servers = await Promise.all(engines.map((engine) => engine.listen({ port: 0 })));
    expect(servers[0]?.port).not.toBe(servers[1]?.port);
    const { orderId } = orderOf(await engines[0].placeOrder(order('u', { idempotencyKey: 'k' })));
    expect(orderOf(await engines[1].placeOrder(order('u', { idempotencyKey: 'k' }))).durability).toBe(
      'commit',
    );
    expectRefusal(await engines[1].order(orderId), 'order_not_found');
    expect(engines.map((engine) => counters(engine).available)).toEqual([9, 19]);
    await engines[0].close();
    orderOf(await engines[1].placeOrder(order('u')));
  });
});

describe('listen', () => {
  test('tells where, and refuses a port in use, a strange host and strange options', async () => {
    const engine = await start();
    const { host, port, url } = await engine.listen({ port: 0 });
    expect({ host, url }).toEqual({ host: '127.0.0.1', url: `http://127.0.0.1:${port}` });
    await expect(engine.listen({ port })).rejects.toMatchObject({ code: 'port_in_use' });
    await expect(engine.listen({ port: 0, host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'listen_failed',
    });
    await expect(engine.listen({ port: 65_536 })).rejects.toMatchObject({ code: 'invalid_options' });
    await expect(engine.listen({ prot: 0 } as never)).rejects.toMatchObject({ code: 'invalid_options' });
    const second = await engine.listen({ port: 0 });
    for (const { url: at } of [{ url }, second]) {
      expect((await fetch(`${at}/healthz`, { headers: { connection: 'close' } })).status).toBe(200);
    }
  });
});
