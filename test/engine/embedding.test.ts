/** The embedding API: everything that `import … from 'leiniao'` gives, on real threads and real folders. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { limits } from '../../dist/config.js';
import * as leiniao from '../../dist/index.js';
import {
  codes,
  Engine,
  type EngineOptions,
  LeiniaoError,
  type Order,
  type OrderRequest,
  type SaleDefinition,
} from '../../dist/index.js';
import { expectFullWidth } from '../support/full-width.js';
import { stallShard } from '../support/stalled-store.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';
import { until, within } from '../support/until.js';

const inFlightMax = 256;
const small = { inFlightMax, ordersPerShardMax: 4_096 } as const;

/** An engine that closes when the test ends. */
async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start({ durability: 'memory', shards: 1, ...small, ...options });
  onTestFinished(() => within('the close', engine.close()));
  return engine;
}

const sku = 'a';
const order = (buyer: string, more: Partial<OrderRequest> = {}): OrderRequest => ({
  sale: 's',
  sku,
  buyer,
  ...more,
});

/** An engine with an open sale `s` of the SKU `a`. */
async function startWithSale(options: EngineOptions = {}, stock = 1_000): Promise<Engine> {
  const engine = await start(options);
  expect((await engine.putSale('s', { skus: [{ sku, stock }] })).ok).toBe(true);
  return engine;
}

type Outcome = Awaited<ReturnType<Engine['placeOrder']>>;

/** The order of an outcome that has to be one. */
function orderOf(outcome: Outcome | undefined): Order {
  expect(outcome).toMatchObject({ ok: true });
  return (outcome as { order: Order }).order;
}

/** The counters of the SKU `a`. */
function counters(engine: Engine, sale = 's') {
  const answer = engine.stock(sale, sku);
  if (!answer.ok) throw new Error(answer.code);
  const { total, available, held, confirmed } = answer.sku;
  return { total, available, held, confirmed };
}

let shared: Engine;
let lastSale = 0;
beforeAll(async () => {
  shared = await Engine.start({ durability: 'memory', shards: 2, inFlightMax, ordersPerShardMax: 1 << 17 });
});
afterAll(() => within('the close', shared.close()));

/** A sale of the test's own, on an engine that tests share because starting one takes a while. */
async function freshSale(definition: Partial<SaleDefinition> = {}) {
  lastSale += 1;
  const sale = `sale-${lastSale}`;
  const skus = [{ sku, stock: 1_000 }];
  expect(await shared.putSale(sale, { skus, ...definition })).toMatchObject({ ok: true, created: true });
  return {
    sale,
    order: (buyer: string, more: Partial<OrderRequest> = {}): OrderRequest => ({ sale, sku, buyer, ...more }),
    counters: () => counters(shared, sale),
  };
}

/** A refusal in full: nothing but what the type says, and a code of the registry. */
function expectRefusal(outcome: unknown, code?: string): void {
  expect(outcome).toMatchObject({
    ok: false,
    code: code ?? expect.any(String),
    detail: expect.stringMatching(/\S/),
  });
  expect(codes).toHaveProperty((outcome as { code: string }).code);
}

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

describe('placeOrders', () => {
  test('answers 50,000 orders through 256 slots, in their sequence', async () => {
    const one = await freshSale({ skus: [{ sku, stock: 30_000 }] });
    const other = await freshSale({ skus: [{ sku, stock: 100_000, limitPerBuyer: 1 }] });
    const requests = Array.from({ length: 50_000 }, (_, i) =>
      (i % 2 === 0 ? one : other).order(`u-${i % 20_000}`),
    );
    const outcomes = await shared.placeOrders(requests);
    expect(outcomes.length).toBe(50_000);
    // 25,000 orders without a limit; of the other sale one each for 10,000 buyers, and the rest refused.
    expect([outcomes.accepted, outcomes.replayed]).toEqual([25_000 + 10_000, 0]);
    const sequences = new Map([one.sale, other.sale].map((sale) => [sale, 0]));
    let refused = 0;
    let index = 0;
    for (const outcome of outcomes) {
      const request = requests[index]!;
      if (outcome.ok) {
        const sequence = sequences.get(request.sale)! + 1;
        sequences.set(request.sale, sequence);
        expect([outcome.order.buyer, outcome.order.sequence]).toEqual([request.buyer, sequence]);
      } else {
        expect(outcome.code).toBe('limit_reached');
        refused += 1;
      }
      index += 1;
    }
    expect(refused).toBe(15_000);
    expect(outcomes.at(49_999)).toMatchObject({ ok: false, code: 'limit_reached' });
    expect([outcomes.at(-1), outcomes.at(50_000), outcomes.at(0.5)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(one.counters()).toEqual({ total: 30_000, available: 5_000, held: 25_000, confirmed: 0 });
    await expectFullWidth(shared, inFlightMax, one.sale, sku);
  });

  test('answers a batch of nothing', async () => {
    const outcomes = await shared.placeOrders([]);
    expect([outcomes.length, outcomes.accepted, [...outcomes]]).toEqual([0, 0, []]);
  });

  test('answers refusals and replays in their places', async () => {
    const { order } = await freshSale({ skus: [{ sku, stock: 3 }] });
    const outcomes = await shared.placeOrders([
      order('u', { idempotencyKey: 'k' }),
      order('u', { idempotencyKey: 'k' }),
      order('u', { idempotencyKey: 'k', quantity: 2 }),
      order(''),
      order('u', { sku: 'none' }),
      order('u', { quantity: 3 }),
      order('v', { quantity: 2 }),
      order('w'),
    ]);
    expect([...outcomes].map((outcome) => (outcome.ok ? outcome.replayed : outcome.code))).toEqual([
      false,
      true,
      'idempotency_conflict',
      'invalid_request',
      'sku_not_found',
      'insufficient_stock',
      false,
      'sold_out',
    ]);
    expect([outcomes.accepted, outcomes.replayed]).toEqual([2, 1]);
    expect(orderOf(outcomes.at(1))).toEqual(orderOf(outcomes.at(0)));
  });

  test('called several times at once answers every batch: its array is the queue', async () => {
    const { order } = await freshSale({ skus: [{ sku, stock: 100_000 }] });
    const batches = [3_000, 2_000, 1_000, 10].map((length, batch) =>
      Array.from({ length }, (_, i) => order(`u-${batch}-${i}`)),
    );
    const all = await Promise.all(batches.map((batch) => shared.placeOrders(batch)));
    expect(all.map(({ accepted }) => accepted)).toEqual([3_000, 2_000, 1_000, 10]);
    for (const outcomes of all) {
      const sequences = Array.from(outcomes, (outcome) => orderOf(outcome).sequence);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    }
  });
});

describe('a batch does not keep operators out', () => {
  test('a sale put, paused or replaced beside it is so afterwards, or refused and nothing changed', async () => {
    const engine = await startWithSale({ shards: 2, ordersPerShardMax: 1 << 16 }, 100_000);
    const startsAt = new Date(Date.now() + 3_600_000).toISOString();
    const scheduled = (stock: number) => ({ startsAt, skus: ['x', 'y'].map((one) => ({ sku: one, stock })) });
    await engine.putSale('later', scheduled(1));
    const batch = engine.placeOrders(Array.from({ length: 20_000 }, (_, i) => order(`u-${i}`)));
    const fresh = { skus: ['x', 'y', 'z'].map((one) => ({ sku: one, stock: 7 })) };
    const [put, replaced, paused] = [
      await engine.putSale('new', fresh),
      await engine.putSale('later', scheduled(2)),
      await engine.pauseSale('s'),
    ];
    await batch;
    expect(engine.sale('s')?.phase).toBe(paused.ok ? 'paused' : 'open');
    expect(engine.stock('later', 'x')).toMatchObject({ ok: true, sku: { total: replaced.ok ? 2 : 1 } });
    if (!put.ok) expect(engine.sale('new')).toBeUndefined();
    // Trying again is what an operator does with a 503.
    const again = await engine.putSale('new', fresh);
    expect(again.ok && again.sale.skus.map(({ available }) => available)).toEqual([7, 7, 7]);
    for (const one of ['x', 'y', 'z'])
      orderOf(await engine.placeOrder({ sale: 'new', sku: one, buyer: 'u' }));
    expect(await engine.putSale('later', { skus: [{ sku: 'x', stock: 3 }] })).toMatchObject({ ok: true });
    orderOf(await engine.placeOrder({ sale: 'later', sku: 'x', buyer: 'u' }));
    expect(await engine.pauseSale('new')).toMatchObject({ ok: true });
    expect(engine.ready).toBe(true);
  });
});

describe('a caller without types', () => {
  const strange: readonly (readonly [name: string, value: unknown])[] = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['NaN', Number.NaN],
    ['a bigint', 5n],
    ['a boolean', true],
    ['an empty text', ''],
    ['an object', {}],
    ['an array of a text', ['q']],
    ['a function', () => 's'],
    ['a symbol', Symbol('s')],
  ];

  /** What became of a call: `ok`, the code of its refusal, or what else happened that should not. */
  async function outcomeOf(call: () => unknown): Promise<string> {
    try {
      const outcome = (await within('an outcome', Promise.resolve(call()), 500)) as Outcome | undefined;
      if (outcome === undefined) return 'nothing';
      if (outcome.ok) return 'ok';
      expectRefusal(outcome);
      return outcome.code;
    } catch (error) {
      return String(error);
    }
  }

  /** What becomes of a call with each of the values, by the value's name. */
  async function outcomesOf(
    values: typeof strange,
    call: (value: never) => unknown,
  ): Promise<Record<string, string>> {
    const outcomes: Record<string, string> = {};
    for (const [name, value] of values) outcomes[name] = await outcomeOf(() => call(value as never));
    return outcomes;
  }

  const all = (code: string, values = strange) => Object.fromEntries(values.map(([name]) => [name, code]));
  const but = (...names: string[]) => strange.filter(([name]) => !names.includes(name));

  test('is refused whatever is passed for an order, or for a field of it', async () => {
    const { order, counters } = await freshSale();
    const engine = shared;
    const malformed = all('invalid_request');
    expect(await outcomesOf(strange, (value) => engine.placeOrder(value))).toEqual(malformed);
    for (const field of ['sale', 'sku', 'buyer'] as const) {
      const place = (value: never) => engine.placeOrder({ ...order('u'), [field]: value });
      expect({ field, ...(await outcomesOf(strange, place)) }).toEqual({ field, ...malformed });
    }
    // A property that is undefined is a property that is not there.
    const quantities = but('undefined', 'a number');
    expect(await outcomesOf(quantities, (quantity) => engine.placeOrder(order('u', { quantity })))).toEqual(
      all('invalid_request', quantities),
    );
    const keys = but('undefined');
    expect(
      await outcomesOf(keys, (idempotencyKey) => engine.placeOrder(order('u', { idempotencyKey }))),
    ).toEqual(all('invalid_request', keys));
    expect(counters()).toEqual({ total: 1_000, available: 1_000, held: 0, confirmed: 0 });
  });

  test('is refused for the strange orders among many, and the others are placed', async () => {
    const { order } = await freshSale({ skus: [{ sku, stock: 100_000 }] });
    for (const [name, value] of strange) {
      const requests = Array.from({ length: 600 }, (_, i) => order(`u-${i}`));
      for (const i of [0, 300, 599]) requests[i] = value as never;
      const outcomes = await within(name, shared.placeOrders(requests), 2_000);
      expect({ name, accepted: outcomes.accepted }).toEqual({ name, accepted: 597 });
      for (const i of [0, 300, 599]) expectRefusal(outcomes.at(i), 'invalid_request');
      expect([...outcomes].length).toBe(600);
    }
  });

  test('who passes no array of orders gets an error or an empty batch, at once', async () => {
    for (const [name, value] of strange) {
      const answer = shared.placeOrders(value as never).then(
        ({ accepted }) => accepted,
        (error: unknown) => error instanceof Error && 0,
      );
      expect({ name, accepted: await within(name, answer, 500) }).toEqual({ name, accepted: 0 });
    }
  });

  test('is refused whatever is passed as an id or a name', async () => {
    const engine = await startWithSale();
    const definition = { skus: [{ sku, stock: 1 }] };
    const calls: Record<string, [code: string, call: (value: never) => unknown]> = {
      putSale: ['invalid_request', (value) => engine.putSale(value, definition)],
      'putSale, definition': ['invalid_request', (value) => engine.putSale('t', value)],
      pauseSale: ['sale_not_found', (value) => engine.pauseSale(value)],
      resumeSale: ['sale_not_found', (value) => engine.resumeSale(value)],
      endSale: ['sale_not_found', (value) => engine.endSale(value)],
      order: ['order_not_found', (value) => engine.order(value)],
      confirmOrder: ['order_not_found', (value) => engine.confirmOrder(value)],
      cancelOrder: ['order_not_found', (value) => engine.cancelOrder(value)],
      'orders, sale': ['sale_not_found', (value) => engine.orders(value, 'u')],
      'orders, buyer': ['invalid_request', (value) => engine.orders('s', value)],
      'stock, sale': ['sale_not_found', (value) => engine.stock(value, sku)],
      'stock, SKU': ['sku_not_found', (value) => engine.stock('s', value)],
      sale: ['nothing', (value) => engine.sale(value)],
    };
    const seen: Record<string, unknown> = {};
    const wanted: Record<string, unknown> = {};
    for (const [name, [code, call]] of Object.entries(calls)) {
      seen[name] = await outcomesOf(strange, call);
      wanted[name] = all(code);
    }
    expect(seen).toEqual(wanted);
    expect(engine.sales().map(({ id }) => id)).toEqual(['s']);
  });

  test('does not spoil the data folder with an id that is no text', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' });
    for (const [, id] of strange) {
      await outcomeOf(() => engine.putSale(id as never, { skus: [{ sku, stock: 1 }] }));
    }
    await engine.close();
    const again = await start({ dataDir, durability: 'fsync' });
    expect(again.sales().map(({ id }) => id)).toEqual(['s']);
  });

  test('who restocks under a strange key is refused, so that trying again cannot add the units twice', async () => {
    const { sale, counters } = await freshSale();
    const keys = but('undefined');
    expect(
      await outcomesOf(keys, (idempotencyKey) => shared.restock(sale, sku, 1, { idempotencyKey })),
    ).toEqual(all('invalid_request', keys));
    const quantities = but('a number');
    expect(await outcomesOf(quantities, (quantity) => shared.restock(sale, sku, quantity))).toEqual(
      all('invalid_request', quantities),
    );
    expect(counters().total).toBe(1_000);
  });
});

describe('what callers do with their objects afterwards', () => {
  test('changes no sale', async () => {
    const dataDir = tempDir();
    const engine = await start({ dataDir, durability: 'fsync' });
    const definition = { startsAt: '2090-01-01T00:00:00Z', skus: [{ sku, stock: 10 }] };
    expect(await engine.putSale('s', definition)).toMatchObject({ ok: true, created: true });
    definition.skus[0]!.stock = 500;
    expect(await engine.putSale('s', definition)).toMatchObject({
      ok: true,
      sale: { skus: [{ total: 500 }] },
    });
    definition.skus[0] = { sku: 'other', stock: 7 };
    definition.skus.push({ sku: 'third', stock: 8 });
    // A pause stores the sale again.
    expect(await engine.pauseSale('s')).toMatchObject({ ok: true });
    await engine.close();
    const again = await start({ dataDir, durability: 'fsync' });
    expect(again.sale('s')!.skus.map((line) => [line.sku, line.total])).toEqual([[sku, 500]]);
  });

  test.each([
    ['longer', (requests: OrderRequest[]) => requests.push(order('late'))],
    ['shorter', (requests: OrderRequest[]) => requests.splice(1)],
  ])('leaves a batch as it was, though its array is %s by then', async (_, change) => {
    const engine = await startWithSale();
    const requests = ['u', 'v', 'w'].map((buyer) => order(buyer));
    const placing = engine.placeOrders(requests);
    change(requests);
    expect((await within('the batch', placing)).accepted).toBe(3);
  });
});

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

describe('a long batch', () => {
  test('leaves room for single orders, for other batches and for the operator', async () => {
    const engine = await startWithSale({ ordersPerShardMax: 1 << 20 }, 1_000_000);
    const other = { holdSeconds: 60, skus: [{ sku, stock: 1_000 }] };
    expect((await engine.putSale('other', other)).ok).toBe(true);
    let over = false;
    const long = engine
      .placeOrders(Array.from({ length: 400_000 }, (_, i) => order(`u-${i}`)))
      .finally(() => {
        over = true;
      });
    for (let i = 0; i < 50; i++) {
      expect(await engine.placeOrder({ sale: 'other', sku, buyer: `single-${i}` })).toMatchObject({
        ok: true,
      });
    }
    const requests = Array.from({ length: 500 }, (_, i) => ({ sale: 'other', sku, buyer: `batch-${i}` }));
    expect((await engine.placeOrders(requests)).accepted).toBe(500);
    expect(await engine.pauseSale('other')).toMatchObject({ ok: true, sale: { phase: 'paused' } });
    expect(over).toBe(false);
    expect((await long).accepted).toBe(400_000);
  });
});

test('who pauses a sale finds room beside a flood of restocks', async () => {
  const engine = await startWithSale({}, 1);
  const restocks = Array.from({ length: 500 }, () => engine.restock('s', sku, 1));
  expect(await engine.pauseSale('s')).toMatchObject({ ok: true, sale: { phase: 'paused' } });
  const done = (await Promise.all(restocks)).filter(({ ok }) => ok).length;
  expect(done).toBe(limits.restocksPendingMax);
  expect(counters(engine)).toMatchObject({ total: 1 + done, available: 1 + done });
});

test('a shard that runs out of heap is started again from its store; the others sell on, and the process lives', () => {
  const script = fileURLToPath(new URL('../support/out-of-memory.mjs', import.meta.url));
  const bomb = new URL('../support/heap-bomb.mjs', import.meta.url).href;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', bomb, script, tempDir()], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    ...{ listing: 'shard_recovering', meanwhile: 'accepted', because: 1 },
    ...{ again: 'replayed', counters: { total: 10, available: 9, held: 1, confirmed: 0 } },
  });
});

test('a batch is as long as its array says, whatever else the array makes of itself', async () => {
  const engine = await startWithSale();
  class Strange<T> extends Array<T> {
    override map(): never[] {
      return [];
    }
  }
  const strange = Strange.from([order('u'), order('v')]);
  expect((await engine.placeOrders(strange)).accepted).toBe(2);
  const holey = [order('w')];
  holey.length = 3;
  expect(Array.from(await engine.placeOrders(holey), ({ ok }) => ok)).toEqual([true, false, false]);
  holey.length = 2 ** 29;
  await expect(engine.placeOrders(holey)).rejects.toThrow(RangeError);
});

describe('an order object that is not what it was', () => {
  const request = (buyer: string) => ({ sale: 's', sku, buyer, quantity: 1 });

  test('changes nothing of the order that was placed with it', async () => {
    const engine = await startWithSale({ inFlightMax: 256 });
    const one = request('alice');
    const many = Array.from({ length: 600 }, (_, i) => request(`m-${i}`));
    const [single, batch] = [engine.placeOrder(one), engine.placeOrders(many)];
    for (const given of [one, ...many]) given.buyer = 'late';
    expect(orderOf(await single).buyer).toBe('alice');
    const outcomes = await batch;
    expect(Array.from(outcomes, (outcome) => orderOf(outcome).buyer)).toEqual(many.map((_, i) => `m-${i}`));
    expect(await engine.orders('s', 'late')).toMatchObject({ orders: [] });
    expect(await engine.orders('s', 'm-599')).toMatchObject({ orders: [{ buyer: 'm-599' }] });
  });

  test('is read once: what was checked is what is placed', async () => {
    const engine = await startWithSale();
    for (const bytes of [65, 100, 300]) {
      let reads = 0;
      const shifty = {
        ...{ sale: 's', sku, quantity: 1 },
        get buyer() {
          reads += 1;
          return reads === 1 ? 'u' : 'b'.repeat(bytes);
        },
      };
      expect(orderOf(await engine.placeOrder(shifty)).buyer).toBe('u');
    }
    expect(await engine.orders('s', 'u')).toMatchObject({ orders: [{}, {}, {}] });
    const throwing = {
      ...{ sale: 's', sku },
      get buyer(): string {
        throw new Error('unreadable');
      },
    };
    expectRefusal(await engine.placeOrder(throwing), 'invalid_request');
    const definition = {
      get skus(): [] {
        throw new Error('unreadable');
      },
    };
    expectRefusal(await engine.putSale('t', definition), 'invalid_request');
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
    const store = await stallShard(dataDir);
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

/** Every file of a folder with its content, and every folder. */
function contents(path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()) {
    const at = join(path, name);
    found[name] = statSync(at).isDirectory() ? 'folder' : readFileSync(at).toString('base64');
  }
  return found;
}

describe('an engine does not start', () => {
  async function failureOf(options: object): Promise<LeiniaoError> {
    const started = Engine.start({ shards: 1, ...small, ...options });
    // If it starts after all, it must not outlive the test.
    onTestFinished(() => started.then((engine) => engine.close()).catch(() => undefined));
    const error = await started.then(
      () => 'it started',
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(LeiniaoError);
    return error as LeiniaoError;
  }

  const model = makeTempDir();
  beforeAll(async () => {
    const engine = await Engine.start({ dataDir: model, shards: 2, ...small });
    await engine.putSale('s', { skus: ['a', 'b'].map((one) => ({ sku: one, stock: 10 })) });
    for (const one of ['a', 'b']) orderOf(await engine.placeOrder(order('u', { sku: one })));
    await engine.close();
  });
  afterAll(() => removeTempDir(model));

  /** A folder with two shards and orders in it. */
  function usedFolder(): string {
    const dataDir = tempDir();
    cpSync(model, dataDir, { recursive: true });
    return dataDir;
  }

  test.each([
    ['an unknown option', { colour: 'red' }, '/colour'],
    ['no shards', { shards: 0 }, '/shards'],
    ['half a shard', { shards: 1.5 }, '/shards'],
    ['129 shards', { shards: 129 }, '/shards'],
    ['an unknown durability', { durability: 'fsnyc' }, '/durability'],
    ['fewer than 256 in flight', { inFlightMax: 255 }, '/inFlightMax'],
    ['a text for a number', { replyDeadlineMs: '50' }, '/replyDeadlineMs'],
    ['an empty folder name', { dataDir: '' }, '/dataDir'],
    ['a number as folder', { dataDir: 5 }, '/dataDir'],
  ])('with %s: invalid_options, and the error says where', async (_, options, path) => {
    const error = await failureOf({ durability: 'memory', ...options });
    expect(error).toMatchObject({ code: 'invalid_options', name: 'LeiniaoError' });
    expect(error.issues.map((issue) => issue.path)).toContain(path);
  });

  test('in a folder that another engine has, which is not disturbed', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' });
    for (const path of [dataDir, `${dataDir}/`, join(dataDir, '..', dataDir.split('/').at(-1)!)]) {
      expect(await failureOf({ dataDir: path })).toMatchObject({ code: 'data_dir_locked' });
    }
    orderOf(await engine.placeOrder(order('u')));
    await engine.close();
    const next = await start({ dataDir, durability: 'fsync' });
    expect(counters(next).held).toBe(1);
  });

  test('where a file is in the way', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, 'mine');
    expect(await failureOf({ dataDir: file })).toMatchObject({ code: 'data_dir_unwritable' });
    expect(await failureOf({ dataDir: join(file, 'data') })).toMatchObject({ code: 'data_dir_unwritable' });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('in a folder of somebody else, and leaves it as it was', async () => {
    const dataDir = tempDir();
    writeFileSync(join(dataDir, 'thesis.txt'), 'two years of work');
    const before = contents(dataDir);
    const error = await failureOf({ dataDir });
    expect(error.code).toBe('data_dir_damaged');
    expect(error.message).toContain('thesis.txt');
    expect(contents(dataDir)).toEqual(before);
  });

  test('in a folder of another version, and leaves it as it was', async () => {
    const dataDir = usedFolder();
    const meta = join(dataDir, 'leiniao.json');
    writeFileSync(meta, JSON.stringify({ ...JSON.parse(readFileSync(meta, 'utf8')), format: 999 }));
    const before = contents(dataDir);
    const error = await failureOf({ dataDir, shards: 2 });
    expect(error.code).toBe('data_dir_version');
    expect(error.message).toContain('999');
    expect(contents(dataDir)).toEqual(before);
  });

  test('with another number of shards than the folder has, and leaves it as it was', async () => {
    const dataDir = usedFolder();
    const before = contents(dataDir);
    const error = await failureOf({ dataDir, shards: 3 });
    expect(error).toMatchObject({ code: 'invalid_options' });
    expect(error.issues).toEqual([{ path: '/shards', message: expect.stringContaining('2') }]);
    expect(contents(dataDir)).toEqual(before);
    const engine = await start({ dataDir, durability: 'fsync', shards: 2 });
    expect(counters(engine).held).toBe(1);
  });

  test.each([
    ['a description that is no JSON', 'leiniao.json', (file: string) => writeFileSync(file, '{')],
    ['an empty description', 'leiniao.json', (file: string) => truncateSync(file, 0)],
    ['no description', 'leiniao.json', (file: string) => rmSync(file)],
    ['a catalogue cut short', 'catalogue/data.mdb', (file: string) => truncateSync(file, 9_000)],
    ['a journal cut short', 'shard-001/data.mdb', (file: string) => truncateSync(file, 9_000)],
    [
      'a journal that is something else',
      'shard-000/data.mdb',
      (file: string) => writeFileSync(file, 'x'.repeat(1 << 16)),
    ],
    ['no catalogue', 'catalogue', (file: string) => rmSync(file, { recursive: true })],
    ['no folder for a shard', 'shard-001', (file: string) => rmSync(file, { recursive: true })],
    ['no journal for a shard', 'shard-000/data.mdb', (file: string) => rmSync(file)],
  ])('in a folder with %s', async (_, name, damage) => {
    const dataDir = usedFolder();
    damage(join(dataDir, name));
    expect(await failureOf({ dataDir, shards: 2 })).toMatchObject({ code: 'data_dir_damaged' });
  });

  test('in a damaged folder, and opens it once it is mended: the lock was given back', async () => {
    const dataDir = usedFolder();
    truncateSync(join(dataDir, 'shard-001', 'data.mdb'), 9_000);
    expect(await failureOf({ dataDir, shards: 2 })).toMatchObject({ code: 'data_dir_damaged' });
    cpSync(model, dataDir, { recursive: true, force: true });
    const engine = await start({ dataDir, durability: 'fsync', shards: 2 });
    expect(counters(engine).held).toBe(1);
  });

  test('in a journal of which a byte has changed', async () => {
    const dataDir = usedFolder();
    const file = join(dataDir, 'shard-000', 'data.mdb');
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf('u\0\0\0');
    expect(at).toBeGreaterThan(0);
    bytes[at] = 'v'.charCodeAt(0);
    writeFileSync(file, bytes);
    const error = await failureOf({ dataDir, shards: 2 });
    expect(error.code).toBe('data_dir_damaged');
    expect(error.message).toMatch(/shard-000.*commit \d+/);
  });

  test('with less room for orders than the store holds, and says so', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' }, 2_000);
    expect((await engine.placeOrders(Array.from({ length: 1_100 }, () => order('u')))).accepted).toBe(1_100);
    await engine.close();
    const error = await failureOf({ dataDir, ordersPerShardMax: 1_024 });
    expect(error).toMatchObject({ code: 'invalid_options' });
    expect(error.message).toContain('ordersPerShardMax');
    const again = await start({ dataDir, durability: 'fsync' });
    expect(counters(again).held).toBe(1_100);
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
