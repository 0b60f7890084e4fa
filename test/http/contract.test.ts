/** API.md, route by route and code by code, over real sockets against a real engine. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { type Answer, Api, type OrderJson, type SkuJson } from '../support/api.js';
import { stallShard } from '../support/stalled-store.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';

/** RFC 3339 in UTC with milliseconds, as API.md promises for every time. */
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const sizes = { inFlightMax: 256, ordersPerShardMax: 4_096 } as const;

/** What API.md says of each code: status and whether a Retry-After comes with it. */
const table: Readonly<Record<string, { status: number; retryAfter?: true }>> = {
  invalid_request: { status: 400 },
  not_found: { status: 404 },
  sale_not_found: { status: 404 },
  sku_not_found: { status: 404 },
  order_not_found: { status: 404 },
  method_not_allowed: { status: 405 },
  sold_out: { status: 409 },
  insufficient_stock: { status: 409 },
  limit_reached: { status: 409 },
  not_started: { status: 409, retryAfter: true },
  paused: { status: 409 },
  ended: { status: 410 },
  order_expired: { status: 409 },
  order_cancelled: { status: 409 },
  order_confirmed: { status: 409 },
  sale_open: { status: 409 },
  payload_too_large: { status: 413 },
  unsupported_media_type: { status: 415 },
  idempotency_conflict: { status: 422 },
  overloaded: { status: 503, retryAfter: true },
  timeout: { status: 503 },
  shutting_down: { status: 503 },
};

/** The whole of a refusal: status, headers and problem document. */
function expectProblem(answer: Answer, code: string, more: object = {}): void {
  const known = table[code]!;
  expect({ status: answer.status, body: answer.body }).toEqual({
    status: known.status,
    body: {
      type: expect.stringMatching(/\S/),
      title: expect.stringMatching(/\S/),
      status: known.status,
      code,
      detail: expect.stringMatching(/\S/),
      ...(code === 'invalid_request' ? { errors: expect.any(Array) } : {}),
      ...more,
    },
  });
  expect(answer.header('content-type')).toBe('application/problem+json');
  if (known.retryAfter) expect(answer.header('retry-after')).toMatch(/^[1-9]\d*$/);
}

function expectInvalid(answer: Answer, ...paths: string[]): void {
  expectProblem(answer, 'invalid_request');
  for (const path of paths) {
    expect(answer.problem.errors).toContainEqual({ path, message: expect.stringMatching(/\S/) });
  }
}

function expectJson(answer: Answer, status: number, body: unknown): void {
  expect({ status: answer.status, body: answer.body }).toEqual({ status, body });
  expect(answer.header('content-type')).toBe('application/json');
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

describe.each([
  { durability: 'memory', shards: 1 },
  { durability: 'memory', shards: 3 },
  { durability: 'fsync', shards: 1 },
  { durability: 'fsync', shards: 3 },
] as const)('with durability $durability and $shards shards', ({ durability, shards }) => {
  const dataDir = makeTempDir();
  let engine: Engine;
  let api: Api;
  let lastSale = 0;

  beforeAll(async () => {
    engine = await Engine.start({ dataDir, durability, shards, ...sizes });
    const { url } = await engine.listen({ port: 0 });
    api = new Api(url);
  });
  afterAll(async () => {
    await api?.close();
    await engine?.close();
    removeTempDir(dataDir);
  });

  const newSaleId = (): string => {
    lastSale += 1;
    return `sale-${lastSale}`;
  };

  /** An open sale of its own for a test. */
  async function openSale(definition: object = {}): Promise<string> {
    const id = newSaleId();
    const answer = await api.put(id, { skus: [{ sku: 'phone', stock: 10 }], ...definition });
    expect(answer.status).toBe(201);
    return id;
  }

  async function placed(sale: string, body: object, key?: string): Promise<OrderJson> {
    const answer = await api.order(sale, { sku: 'phone', ...body }, key);
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 201, code: undefined });
    return answer.order;
  }

  const counters = async (sale: string, sku = 'phone'): Promise<Omit<SkuJson, 'limitPerBuyer' | 'sku'>> => {
    const { total, available, held, confirmed } = await api.sku(sale, sku);
    return { total, available, held, confirmed };
  };

  describe('a sale', () => {
    test('is created with 201 and its Location, and read back by id, in the list and by SKU', async () => {
      const id = newSaleId();
      const startsAt = iso(Date.now() + 3_600_000);
      const endsAt = iso(Date.now() + 7_200_000);
      const lines = [
        { sku: 'phone', total: 10, available: 10, held: 0, confirmed: 0, limitPerBuyer: 2 },
        { sku: 'case', total: 0, available: 0, held: 0, confirmed: 0, limitPerBuyer: null },
      ];
      const whole = {
        sale: id,
        name: 'Double 11 – 雷鸟',
        phase: 'scheduled',
        startsAt,
        endsAt,
        holdSeconds: 60,
        skus: lines,
      };
      const answer = await api.put(id, {
        name: whole.name,
        startsAt,
        endsAt,
        holdSeconds: 60,
        skus: [
          { sku: 'phone', stock: 10, limitPerBuyer: 2 },
          { sku: 'case', stock: 0 },
        ],
      });
      expectJson(answer, 201, whole);
      expect(answer.header('location')).toBe(`/v1/sales/${id}`);
      expectJson(await api.get(`/v1/sales/${id}`), 200, whole);
      expectJson(await api.get(`/v1/sales/${id}/skus/phone`), 200, lines[0]);
      expectJson(await api.get('/v1/sales'), 200, { sales: expect.arrayContaining([whole]) });
    });

    test('has defaults: no name, open at once, no end, holds of 300 seconds', async () => {
      const id = newSaleId();
      const before = Date.now();
      const answer = await api.put(id, { skus: [{ sku: 'phone', stock: 1 }] });
      expectJson(answer, 201, {
        sale: id,
        phase: 'open',
        startsAt: time,
        endsAt: null,
        holdSeconds: 300,
        skus: [{ sku: 'phone', total: 1, available: 1, held: 0, confirmed: 0, limitPerBuyer: null }],
      });
      expect(Date.parse(answer.sale.startsAt)).toBeGreaterThanOrEqual(before - 1);
      expect(Date.parse(answer.sale.startsAt)).toBeLessThanOrEqual(Date.now() + 1);
    });

    test('put again the same is 200 and unchanged, before it opens and after', async () => {
      const scheduled = newSaleId();
      const definition = {
        startsAt: iso(Date.now() + 3_600_000),
        skus: [{ sku: 'phone', stock: 10 }],
      };
      const created = await api.put(scheduled, definition);
      // Defaults spelt out and another order of properties are the same sale.
      const same = { skus: definition.skus, holdSeconds: 300, startsAt: definition.startsAt };
      expectJson(await api.put(scheduled, same), 200, created.body);

      const open = await openSale();
      const order = await placed(open, { buyer: 'u-1', quantity: 3 });
      const again = await api.put(open, { skus: [{ sku: 'phone', stock: 10 }] });
      expect(again.status).toBe(200);
      expect(again.header('location')).toBeUndefined();
      expect(again.sale.skus).toEqual([expect.objectContaining({ total: 10, available: 7, held: 3 })]);
      expect((await api.get(`/v1/orders/${order.orderId}`)).order.status).toBe('held');
    });

    test('is replaced before it opens: other SKUs, stock, limits and times', async () => {
      const id = newSaleId();
      const startsAt = iso(Date.now() + 3_600_000);
      const skus = [1, 2, 3, 4].map((n) => ({ sku: `sku-${n}`, stock: n }));
      expect((await api.put(id, { startsAt, skus })).status).toBe(201);
      const answer = await api.put(id, {
        name: 'second thoughts',
        holdSeconds: 0,
        skus: [
          { sku: 'sku-3', stock: 30, limitPerBuyer: 3 },
          { sku: 'sku-9', stock: 9 },
        ],
      });
      expectJson(answer, 200, {
        sale: id,
        name: 'second thoughts',
        phase: 'open',
        startsAt: time,
        endsAt: null,
        holdSeconds: 0,
        skus: [
          { sku: 'sku-3', total: 30, available: 30, held: 0, confirmed: 0, limitPerBuyer: 3 },
          { sku: 'sku-9', total: 9, available: 9, held: 0, confirmed: 0, limitPerBuyer: null },
        ],
      });
      expectProblem(await api.order(id, { sku: 'sku-1', buyer: 'u' }), 'sku_not_found');
      expectProblem(await api.order(id, { sku: 'sku-3', buyer: 'u', quantity: 4 }), 'limit_reached');
      expect((await api.order(id, { sku: 'sku-3', buyer: 'u', quantity: 3 })).order.status).toBe('confirmed');
    });

    test('is not replaced once it has opened, paused or ended', async () => {
      const id = await openSale();
      const other = { skus: [{ sku: 'phone', stock: 11 }] };
      expectProblem(await api.put(id, other), 'sale_open');
      await api.post(`/v1/sales/${id}/pause`);
      expectProblem(await api.put(id, other), 'sale_open');
      await api.post(`/v1/sales/${id}/end`);
      expectProblem(await api.put(id, other), 'sale_open');
      expect(await counters(id)).toEqual({ total: 10, available: 10, held: 0, confirmed: 0 });
    });

    test('opens and ends at its times by itself', async () => {
      const id = newSaleId();
      const startsAtMs = Date.now() + 250;
      const endsAtMs = startsAtMs + 250;
      const definition = {
        startsAt: iso(startsAtMs),
        endsAt: iso(endsAtMs),
        skus: [{ sku: 'phone', stock: 5 }],
      };
      expect((await api.put(id, definition)).sale.phase).toBe('scheduled');
      const early = await api.order(id, { sku: 'phone', buyer: 'u-1' });
      expectProblem(early, 'not_started');
      expect(early.header('retry-after')).toBe('1');
      // With a key the shard decides, without one the acceptor: both have to know the time.
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-1' }, 'early'), 'not_started');

      const phase = async () => (await api.get(`/v1/sales/${id}`)).sale.phase;
      await until('the sale to open', async () => (await phase()) === 'open');
      expect(Date.now()).toBeGreaterThanOrEqual(startsAtMs - 1);
      const order = await placed(id, { buyer: 'u-1' }, 'early');
      expect(Date.parse(order.createdAt)).toBeGreaterThanOrEqual(startsAtMs);

      await until('the sale to end', async () => (await phase()) === 'ended');
      expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs - 1);
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-2' }), 'ended');
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-2' }, 'late'), 'ended');
      // What is held when the sale ends is confirmed or cancelled like any other hold.
      expect((await api.confirm(order.orderId)).status).toBe(200);
      expect(await counters(id)).toEqual({ total: 5, available: 4, held: 0, confirmed: 1 });
      expectProblem(await api.post(`/v1/sales/${id}/resume`), 'ended');
    });

    test('tells how long to wait for its start, in whole seconds', async () => {
      const id = newSaleId();
      await api.put(id, { startsAt: iso(Date.now() + 90_000), skus: [{ sku: 'phone', stock: 1 }] });
      const answer = await api.order(id, { sku: 'phone', buyer: 'u-1' });
      expectProblem(answer, 'not_started');
      expect(Number(answer.header('retry-after'))).toBeGreaterThan(80);
      expect(Number(answer.header('retry-after'))).toBeLessThanOrEqual(90);
    });

    test('pauses, resumes and ends when told; telling again changes nothing', async () => {
      const id = await openSale();
      const tell = (what: string) => api.post(`/v1/sales/${id}/${what}`);
      const held = await placed(id, { buyer: 'u-1' });
      for (const _ of ['first', 'again']) {
        const paused = await tell('pause');
        expectJson(paused, 200, (await api.get(`/v1/sales/${id}`)).body);
        expect(paused.sale.phase).toBe('paused');
        expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-2' }), 'paused');
        expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-2' }, 'paused'), 'paused');
      }
      expect((await api.cancel(held.orderId)).order.status).toBe('cancelled');
      for (const _ of ['first', 'again']) {
        expect((await tell('resume')).sale.phase).toBe('open');
        await placed(id, { buyer: 'u-3' });
      }
      for (const _ of ['first', 'again']) {
        expect((await tell('end')).sale.phase).toBe('ended');
        expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-4' }), 'ended');
      }
      expectProblem(await tell('pause'), 'ended');
      expectProblem(await tell('resume'), 'ended');
      expect(await counters(id)).toEqual({ total: 10, available: 8, held: 2, confirmed: 0 });
    });

    test('paused before it opens stays scheduled, and opens paused', async () => {
      const id = newSaleId();
      await api.put(id, { startsAt: iso(Date.now() + 150), skus: [{ sku: 'phone', stock: 1 }] });
      expect((await api.post(`/v1/sales/${id}/pause`)).sale.phase).toBe('scheduled');
      await until('the start', async () => (await api.get(`/v1/sales/${id}`)).sale.phase === 'paused');
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-1' }), 'paused');
    });

    test('that is malformed is refused, and says where', async () => {
      const id = newSaleId();
      const skus = [{ sku: 'phone', stock: 1 }];
      const refused: [body: unknown, ...paths: string[]][] = [
        [[], ''],
        [{}, '/skus'],
        [{ skus: [] }, '/skus'],
        [{ skus, hold: 1 }, '/hold'],
        [{ skus: [{ sku: 'phone', stock: 1, colour: 'red' }] }, '/skus/0/colour'],
        [{ skus: [{ sku: 'pho ne', stock: 1 }] }, '/skus/0/sku'],
        [{ skus: [{ sku: 'x'.repeat(65), stock: 1 }] }, '/skus/0/sku'],
        [{ skus: [{ sku: 'phone', stock: -1 }] }, '/skus/0/stock'],
        [{ skus: [{ sku: 'phone', stock: 0.5 }] }, '/skus/0/stock'],
        [{ skus: [{ sku: 'phone', stock: 2_000_000_001 }] }, '/skus/0/stock'],
        [{ skus: [{ sku: 'phone', stock: 1, limitPerBuyer: 0 }] }, '/skus/0/limitPerBuyer'],
        [{ skus: [...skus, ...skus] }, '/skus/1/sku'],
        [{ skus: Array.from({ length: 1_025 }, (_, i) => ({ sku: `s${i}`, stock: 1 })) }, '/skus'],
        [{ skus, holdSeconds: -1 }, '/holdSeconds'],
        [{ skus, startsAt: 'tomorrow' }, '/startsAt'],
        [{ skus, startsAt: '2026-02-30T00:00:00Z' }, '/startsAt'],
        [{ skus, startsAt: 1_790_000_000_000 }, '/startsAt'],
        [{ skus, startsAt: '2030-01-01T00:00:00Z', endsAt: '2030-01-01T00:00:00Z' }, '/endsAt'],
        [{ skus, endsAt: '2020-01-01T00:00:00Z' }, '/endsAt'],
        [{ skus, name: '' }, '/name'],
        [{ skus, name: 'a\nb' }, '/name'],
        [{ skus, name: 5, holdSeconds: '5' }, '/name', '/holdSeconds'],
      ];
      for (const [body, ...paths] of refused) expectInvalid(await api.put(id, body), ...paths);
      expectInvalid(await api.put('not%20an%20id', { skus }), '/sale');
      expectInvalid(await api.put('x'.repeat(65), { skus }), '/sale');
      expectProblem(await api.get(`/v1/sales/${id}`), 'sale_not_found');
    });

    test('may be as large as the limits say: ids of 64, 1,024 SKUs, 2,000,000,000 units', async () => {
      const id = `${'S'.repeat(58)}._-09z`;
      const skus = Array.from({ length: 1_024 }, (_, i) => ({
        sku: String(i).padStart(64, 'k'),
        stock: 2_000_000_000,
        limitPerBuyer: 1_000_000,
      }));
      const answer = await api.put(id, { startsAt: '2090-01-01T00:00:00+08:00', skus });
      expect(answer.status).toBe(201);
      expect(answer.sale.startsAt).toBe('2089-12-31T16:00:00.000Z');
      expect(answer.sale.skus.map((line) => line.sku)).toEqual(skus.map(({ sku }) => sku));
      expect((await api.sku(id, skus[1_023]!.sku)).available).toBe(2_000_000_000);
      // Smaller again, so that the engine's 4,096 SKUs last for the other tests.
      expect((await api.put(id, { skus: [{ sku: 'one', stock: 1 }] })).status).toBe(200);
    });

    test('with a definition of 1 MiB is read, and of one byte more refused', async () => {
      const id = newSaleId();
      const skus = [{ sku: 'phone', stock: 1 }];
      const padded = (bytes: number) => {
        const text = JSON.stringify({ skus, name: '' });
        return { skus, name: 'n'.repeat(bytes - text.length) };
      };
      expectInvalid(await api.put(id, padded(1024 * 1024)), '/name');
      expectProblem(await api.put(id, padded(1024 * 1024 + 1)), 'payload_too_large');
    });

    test('that nobody defined is not found on any route', async () => {
      const answers = await Promise.all([
        api.get('/v1/sales/none'),
        api.get('/v1/sales/none/skus/phone'),
        api.get('/v1/sales/none/orders?buyer=u-1'),
        api.post('/v1/sales/none/pause'),
        api.post('/v1/sales/none/resume'),
        api.post('/v1/sales/none/end'),
        api.post('/v1/sales/none/skus/phone/restock', { quantity: 1 }),
        api.order('none', { sku: 'phone', buyer: 'u-1' }),
      ]);
      for (const answer of answers) expectProblem(answer, 'sale_not_found');
      const id = await openSale();
      expectProblem(await api.get(`/v1/sales/${id}/skus/none`), 'sku_not_found');
      expectProblem(await api.post(`/v1/sales/${id}/skus/none/restock`, { quantity: 1 }), 'sku_not_found');
      expectProblem(await api.order(id, { sku: 'none', buyer: 'u-1' }), 'sku_not_found');
    });
  });

  describe('a restock', () => {
    const restock = (sale: string, body: unknown, key?: string) =>
      api.post(
        `/v1/sales/${sale}/skus/phone/restock`,
        body,
        key === undefined ? undefined : { 'idempotency-key': key },
      );

    test('adds units, a negative one withdraws, never below what is available', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 10, limitPerBuyer: 9 }] });
      await placed(id, { buyer: 'u-1', quantity: 4 });
      const line = { sku: 'phone', held: 4, confirmed: 0, limitPerBuyer: 9 };
      expectJson(await restock(id, { quantity: 500 }), 200, { ...line, total: 510, available: 506 });
      expectJson(await restock(id, { quantity: -500 }), 200, { ...line, total: 10, available: 6 });
      expectProblem(await restock(id, { quantity: -7 }), 'insufficient_stock');
      expectJson(await restock(id, { quantity: -6 }), 200, { ...line, total: 4, available: 0 });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-2' }), 'sold_out');
      expectJson(await restock(id, { quantity: 1 }), 200, { ...line, total: 5, available: 1 });
      await placed(id, { buyer: 'u-2' });
    });

    test('under a key happens once: a repeat is a replay, another quantity a conflict', async () => {
      const id = await openSale();
      const first = await restock(id, { quantity: 5 }, 'delivery-1');
      expect(first.header('idempotency-replayed')).toBeUndefined();
      expect(first.line).toMatchObject({ total: 15, available: 15 });
      const again = await restock(id, { quantity: 5 }, 'delivery-1');
      expectJson(again, 200, first.body);
      expect(again.header('idempotency-replayed')).toBe('true');
      expectProblem(await restock(id, { quantity: 6 }, 'delivery-1'), 'idempotency_conflict');
      expect(await counters(id)).toEqual({ total: 15, available: 15, held: 0, confirmed: 0 });
      expect((await restock(id, { quantity: 5 }, 'delivery-2')).line.total).toBe(20);
    });

    test('refused leaves no trace: its key may be tried again', async () => {
      const id = await openSale();
      expectProblem(await restock(id, { quantity: -11 }, 'w'), 'insufficient_stock');
      const answer = await restock(id, { quantity: -10 }, 'w');
      expect(answer.header('idempotency-replayed')).toBeUndefined();
      expect(answer.line).toMatchObject({ total: 0, available: 0 });
    });

    test('that is malformed or too large is refused, and so is one of an ended sale', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 1_999_999_999 }] });
      expectInvalid(await restock(id, {}), '/quantity');
      for (const quantity of [0, 1.5, '5', null, 2_000_000_001, -2_000_000_001]) {
        expectInvalid(await restock(id, { quantity }), '/quantity');
      }
      expectInvalid(await restock(id, { quantity: 1, note: 'x' }), '/note');
      expectInvalid(await restock(id, { quantity: 1 }, 'k'.repeat(65)), '/headers/idempotency-key');
      expectInvalid(await restock(id, { quantity: 2 }), '/quantity');
      expect((await restock(id, { quantity: 1 })).line.total).toBe(2_000_000_000);
      await api.post(`/v1/sales/${id}/end`);
      expectProblem(await restock(id, { quantity: -1 }), 'ended');
    });
  });

  describe('an order', () => {
    test('is answered 201 with its Location, and read back the same', async () => {
      const id = await openSale({ holdSeconds: 60 });
      const before = Date.now();
      const answer = await api.order(id, { sku: 'phone', buyer: 'u-42 雷', quantity: 2 });
      const { orderId, createdAt } = answer.order;
      expectJson(answer, 201, {
        orderId: expect.stringMatching(/^\S+$/),
        sale: id,
        sku: 'phone',
        buyer: 'u-42 雷',
        quantity: 2,
        status: 'held',
        sequence: 1,
        createdAt: time,
        expiresAt: iso(Date.parse(createdAt) + 60_000),
        durability,
      });
      expect(answer.header('location')).toBe(`/v1/orders/${orderId}`);
      expect(answer.header('idempotency-replayed')).toBeUndefined();
      expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(before - 1);
      expect(Date.parse(createdAt)).toBeLessThanOrEqual(Date.now() + 1);
      expectJson(await api.get(answer.header('location')!), 200, answer.body);
      expect(await counters(id)).toEqual({ total: 10, available: 8, held: 2, confirmed: 0 });
    });

    test('of no quantity is for one unit, and sequences count accepted orders by SKU from 1', async () => {
      const id = await openSale({
        skus: ['phone', 'case', 'cable'].map((sku) => ({ sku, stock: 3, limitPerBuyer: 2 })),
      });
      expect(await placed(id, { buyer: 'a' })).toMatchObject({ quantity: 1, sequence: 1 });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'a', quantity: 2 }), 'limit_reached');
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'b', quantity: 3 }), 'limit_reached');
      expect(await placed(id, { buyer: 'b' })).toMatchObject({ sequence: 2 });
      expect(await placed(id, { sku: 'case', buyer: 'a' })).toMatchObject({ sequence: 1 });
      expect(await placed(id, { sku: 'cable', buyer: 'a' })).toMatchObject({ sequence: 1 });
      expect(await placed(id, { buyer: 'c' })).toMatchObject({ sequence: 3 });
    });

    test('for more than is left is refused: fewer are left, then nothing is', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 3 }] });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'a', quantity: 4 }), 'insufficient_stock');
      await placed(id, { buyer: 'a', quantity: 3 });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'b' }), 'sold_out');
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'b' }, 'k'), 'sold_out');
      expect(await counters(id)).toEqual({ total: 3, available: 0, held: 3, confirmed: 0 });
    });

    test('with holdSeconds 0 is born confirmed and has no deadline', async () => {
      const id = await openSale({ holdSeconds: 0 });
      const order = await placed(id, { buyer: 'a', quantity: 2 });
      expect(order).toMatchObject({ status: 'confirmed', expiresAt: null });
      expect(await counters(id)).toEqual({ total: 10, available: 8, held: 0, confirmed: 2 });
      expect((await api.confirm(order.orderId)).order).toEqual(order);
      expectProblem(await api.cancel(order.orderId), 'order_confirmed');
    });

    test('is confirmed once; confirming again answers 200, cancelling is refused', async () => {
      const id = await openSale();
      const order = await placed(id, { buyer: 'a', quantity: 2 });
      const confirmed = { ...order, status: 'confirmed', expiresAt: null };
      expectJson(await api.confirm(order.orderId), 200, confirmed);
      expectJson(await api.confirm(order.orderId), 200, confirmed);
      expectJson(await api.get(`/v1/orders/${order.orderId}`), 200, confirmed);
      expectProblem(await api.cancel(order.orderId), 'order_confirmed');
      expect(await counters(id)).toEqual({ total: 10, available: 8, held: 0, confirmed: 2 });
    });

    test('is cancelled once and gives stock and limit back; confirming is refused', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 2, limitPerBuyer: 2 }] });
      const order = await placed(id, { buyer: 'a', quantity: 2 });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'a' }, 'k'), 'limit_reached');
      const cancelled = { ...order, status: 'cancelled', expiresAt: null };
      expectJson(await api.cancel(order.orderId), 200, cancelled);
      expectJson(await api.cancel(order.orderId), 200, cancelled);
      expectProblem(await api.confirm(order.orderId), 'order_cancelled');
      expect(await counters(id)).toEqual({ total: 2, available: 2, held: 0, confirmed: 0 });
      expect(await placed(id, { buyer: 'a', quantity: 2 })).toMatchObject({ sequence: 2 });
    });

    test('that is not confirmed in time expires by itself and gives stock and limit back', async () => {
      const id = await openSale({ holdSeconds: 1, skus: [{ sku: 'phone', stock: 2, limitPerBuyer: 2 }] });
      const order = await placed(id, { buyer: 'a', quantity: 1 }, 'click');
      const kept = await placed(id, { buyer: 'a', quantity: 1 });
      await api.confirm(kept.orderId);
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'a' }, 'more'), 'limit_reached');
      await until('the hold to expire', async () => (await counters(id)).held === 0);
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(order.expiresAt!) - 1);
      expect(await counters(id)).toEqual({ total: 2, available: 1, held: 0, confirmed: 1 });
      const expired = { ...order, status: 'expired' };
      expectJson(await api.get(`/v1/orders/${order.orderId}`), 200, expired);
      expectProblem(await api.cancel(order.orderId), 'order_expired');
      // The key still names the order that was made under it.
      expectJson(await api.order(id, { sku: 'phone', buyer: 'a' }, 'click'), 200, expired);
      await placed(id, { buyer: 'a' });
    });

    test('that is confirmed too late takes its units again, or says that a refund is due', async () => {
      const id = await openSale({ holdSeconds: 1, skus: [{ sku: 'phone', stock: 3, limitPerBuyer: 2 }] });
      const [lucky, late, limited] = [
        await placed(id, { buyer: 'a' }, 'click'),
        await placed(id, { buyer: 'b' }),
        await placed(id, { buyer: 'c' }),
      ];
      await until('the holds to expire', async () => (await counters(id)).held === 0);
      const reacquired = { ...lucky, status: 'confirmed', expiresAt: null, reacquired: true };
      expectJson(await api.confirm(lucky.orderId), 200, reacquired);
      expectJson(await api.confirm(lucky.orderId), 200, reacquired);
      expectJson(await api.get(`/v1/orders/${lucky.orderId}`), 200, reacquired);
      expectJson(await api.order(id, { sku: 'phone', buyer: 'a' }, 'click'), 200, reacquired);
      expectProblem(await api.cancel(lucky.orderId), 'order_confirmed');
      // The limit counts what the buyer has by now.
      const others = await placed(id, { buyer: 'c', quantity: 2 });
      await api.confirm(others.orderId);
      for (const order of [late, limited]) {
        const answer = await api.confirm(order.orderId);
        expectProblem(answer, 'order_expired', { refundRequired: true });
        expect((await api.get(`/v1/orders/${order.orderId}`)).body).toMatchObject({ status: 'expired' });
      }
      expect(await counters(id)).toEqual({ total: 3, available: 0, held: 0, confirmed: 3 });
      expect((await api.post(`/v1/sales/${id}/skus/phone/restock`, { quantity: 2 })).status).toBe(200);
      expectProblem(await api.confirm(limited.orderId), 'order_expired', { refundRequired: true });
      // A pause stops new orders, and nobody who has paid.
      await api.post(`/v1/sales/${id}/pause`);
      expectJson(await api.confirm(late.orderId), 200, {
        ...late,
        status: 'confirmed',
        expiresAt: null,
        reacquired: true,
      });
      expect(await counters(id)).toEqual({ total: 5, available: 1, held: 0, confirmed: 4 });
    });

    test.each([
      ['an unknown id', '0123456789abcdef'],
      ['an id of another length', 'abc'],
      ['an id with other characters', 'x'.repeat(16)],
      ['a percent-encoded id', '%30'.repeat(16)],
    ])('with %s is not found on any route', async (_, orderId) => {
      for (const answer of [
        await api.get(`/v1/orders/${orderId}`),
        await api.confirm(orderId),
        await api.cancel(orderId),
      ]) {
        expectProblem(answer, 'order_not_found');
      }
    });

    test('id with the number of an order to come is not found', async () => {
      const id = await openSale();
      const { orderId } = await placed(id, { buyer: 'a' });
      const next =
        orderId.slice(0, 8) + (Number.parseInt(orderId.slice(8), 16) + 1).toString(16).padStart(8, '0');
      expectProblem(await api.get(`/v1/orders/${next}`), 'order_not_found');
      expectProblem(await api.cancel(next), 'order_not_found');
      await placed(id, { buyer: 'b' });
    });

    test('that is malformed is refused, and says where', async () => {
      const id = await openSale();
      const body = { sku: 'phone', buyer: 'a' };
      expectInvalid(await api.order(id, {}), '/sku', '/buyer');
      expectInvalid(await api.order(id, { ...body, quantity: 0 }), '/quantity');
      expectInvalid(await api.order(id, { ...body, qty: 2 }), '/qty');
      expectInvalid(await api.order(id, body, 'k'.repeat(65)), '/headers/idempotency-key');
      expectInvalid(await api.order('a%20b', body), '/sale');
      expectInvalid(await api.order(id, [body]), '');
      expect(await counters(id)).toEqual({ total: 10, available: 10, held: 0, confirmed: 0 });
    });

    test('confirmed or cancelled with a body is refused and stays held', async () => {
      const id = await openSale();
      const { orderId } = await placed(id, { buyer: 'a' });
      expectInvalid(await api.post(`/v1/orders/${orderId}/confirm`, { quantity: 1 }));
      expectInvalid(await api.post(`/v1/orders/${orderId}/cancel`, {}));
      expectInvalid(await api.post(`/v1/sales/${id}/end`, {}));
      expect((await api.get(`/v1/orders/${orderId}`)).order.status).toBe('held');
    });
  });

  describe('an idempotency key', () => {
    test('answers the original order with 200 and Idempotency-Replayed, whatever has become of the sale', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 1, limitPerBuyer: 1 }] });
      const body = { sku: 'phone', buyer: 'a' };
      const first = await api.order(id, body, 'k 1');
      expect(first.status).toBe(201);
      const expectReplay = async (order: unknown) => {
        // A quantity of 1 and none are the same body.
        for (const same of [body, { ...body, quantity: 1 }]) {
          const answer = await api.order(id, same, 'k 1');
          expectJson(answer, 200, order);
          expect(answer.header('idempotency-replayed')).toBe('true');
          expect(answer.header('location')).toBeUndefined();
        }
      };
      await expectReplay(first.body);
      await api.confirm(first.order.orderId);
      await api.post(`/v1/sales/${id}/pause`);
      await expectReplay({ ...first.order, status: 'confirmed', expiresAt: null });
      await api.post(`/v1/sales/${id}/end`);
      await expectReplay({ ...first.order, status: 'confirmed', expiresAt: null });
    });

    test('used with another body is a conflict: another quantity, another SKU on whichever shard', async () => {
      const skus = Array.from({ length: 6 }, (_, i) => ({ sku: `sku-${i}`, stock: 5 }));
      const id = await openSale({ skus });
      const body = { sku: 'sku-0', buyer: 'a', quantity: 1 };
      expect((await api.order(id, body, 'k')).status).toBe(201);
      expectProblem(await api.order(id, { ...body, quantity: 2 }, 'k'), 'idempotency_conflict');
      for (let i = 1; i < 6; i++) {
        expectProblem(await api.order(id, { ...body, sku: `sku-${i}` }, 'k'), 'idempotency_conflict');
        expect(await counters(id, `sku-${i}`)).toMatchObject({ available: 5 });
      }
    });

    test('is scoped to sale and buyer', async () => {
      const [one, two] = [await openSale(), await openSale()];
      const orders = [
        await placed(one, { buyer: 'a' }, 'k'),
        await placed(one, { buyer: 'b' }, 'k'),
        await placed(two, { buyer: 'a' }, 'k'),
      ];
      expect(new Set(orders.map(({ orderId }) => orderId)).size).toBe(3);
    });

    test('of a refused order leaves no trace and may be tried again', async () => {
      const id = await openSale({ skus: [{ sku: 'phone', stock: 1, limitPerBuyer: 1 }] });
      const first = await placed(id, { buyer: 'a' });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'b' }, 'k'), 'sold_out');
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'a' }, 'k'), 'limit_reached');
      await api.cancel(first.orderId);
      const order = await placed(id, { buyer: 'b' }, 'k');
      expect((await api.order(id, { sku: 'phone', buyer: 'b' }, 'k')).order).toEqual(order);
    });
  });

  describe("a buyer's orders", () => {
    test('are listed oldest first, in every status, and nobody else’s', async () => {
      const skus = Array.from({ length: 4 }, (_, i) => ({ sku: `sku-${i}`, stock: 100 }));
      const [id, other] = [await openSale({ skus }), await openSale({ skus })];
      const orders: OrderJson[] = [];
      for (let i = 0; i < 12; i++) {
        await placed(id, { sku: `sku-${i % 4}`, buyer: 'b' });
        const order = await placed(id, { sku: `sku-${(i * 7) % 4}`, buyer: 'a & b/雷?' });
        orders.push(order);
        // Orders of one millisecond on different shards have no order of their own.
        await until('the next millisecond', () => Date.now() > Date.parse(order.createdAt) + 1);
      }
      await placed(other, { sku: 'sku-0', buyer: 'a & b/雷?' });
      orders[3] = (await api.confirm(orders[3]!.orderId)).order;
      orders[5] = (await api.cancel(orders[5]!.orderId)).order;
      const path = `/v1/sales/${id}/orders?buyer=${encodeURIComponent('a & b/雷?')}`;
      expectJson(await api.get(path), 200, { orders, truncated: false });
    });

    test('are none for a stranger, and asking needs a buyer and nothing else', async () => {
      const id = await openSale();
      const path = `/v1/sales/${id}/orders`;
      expectJson(await api.get(`${path}?buyer=nobody`), 200, { orders: [], truncated: false });
      expectInvalid(await api.get(path), '/buyer');
      expectInvalid(await api.get(`${path}?buyer=`), '/buyer');
      expectInvalid(await api.get(`${path}?buyer=${'b'.repeat(65)}`), '/buyer');
      expectInvalid(await api.get(`${path}?buyer=a%00b`), '/buyer');
      expectInvalid(await api.get(`${path}?buyer=a&limit=5`), '/limit');
    });
  });

  describe('the service', () => {
    test('is healthy and ready', async () => {
      expectJson(await api.get('/healthz'), 200, { status: 'ok' });
      expectJson(await api.get('/readyz'), 200, { status: 'ready' });
    });

    test('has no other routes', async () => {
      for (const path of ['/', '/v1', '/v1/', '/v1/orders', '/v1/sale/x', '/v2/sales', '/v1/sales/x/y']) {
        expectProblem(await api.get(path), 'not_found');
        expectProblem(await api.post(path, {}), 'not_found');
      }
    });

    test.each([
      ['/v1/sales', 'GET'],
      ['/v1/sales/x', 'PUT, GET'],
      ['/v1/sales/x/pause', 'POST'],
      ['/v1/sales/x/resume', 'POST'],
      ['/v1/sales/x/end', 'POST'],
      ['/v1/sales/x/skus/y', 'GET'],
      ['/v1/sales/x/skus/y/restock', 'POST'],
      ['/v1/sales/x/orders', 'POST, GET'],
      ['/v1/orders/x', 'GET'],
      ['/v1/orders/x/confirm', 'POST'],
      ['/v1/orders/x/cancel', 'POST'],
      ['/healthz', 'GET'],
      ['/readyz', 'GET'],
    ])('answers 405 on %s with Allow: %s', async (path, allowed) => {
      const methods = (['GET', 'PUT', 'POST', 'DELETE', 'PATCH'] as const).filter(
        (method) => !allowed.includes(method),
      );
      for (const method of methods) {
        const answer = await api.call(method, path);
        expectProblem(answer, 'method_not_allowed');
        const allow = answer.header('allow')?.split(', ').sort();
        expect(allow).toEqual(allowed.split(', ').sort());
      }
    });

    test('takes bodies as application/json only, with or without parameters', async () => {
      const id = await openSale();
      const path = `/v1/sales/${id}/orders`;
      const body = { sku: 'phone', buyer: 'a' };
      for (const type of [
        'text/plain',
        'application/jsonx',
        'text/json',
        'application/json2; charset=utf-8',
      ]) {
        expectProblem(await api.post(path, body, { 'content-type': type }), 'unsupported_media_type');
      }
      for (const type of [
        'application/json; charset=utf-8',
        'Application/JSON',
        'application/json;charset=UTF-8',
      ]) {
        expect((await api.post(path, body, { 'content-type': type })).status).toBe(201);
      }
      expect(await counters(id)).toMatchObject({ available: 7 });
    });

    test('says of a body that is no JSON that it is none', async () => {
      const id = await openSale();
      for (const body of ['', '{"sku":"phone"', 'nonsense']) {
        const answer = await api.raw(`/v1/sales/${id}/orders`, body);
        expectInvalid(answer, '');
        expect(answer.problem.errors).toEqual([{ path: '', message: 'must be JSON' }]);
      }
    });

    test('takes a query apart strictly: each parameter once, in UTF-8', async () => {
      const id = await openSale();
      const orders = `/v1/sales/${id}/orders`;
      for (const query of ['buyer=a&buyer=b', 'buyer=%zz', 'buyer=%FF', 'buyer=a&buyer=a']) {
        expectInvalid(await api.get(`${orders}?${query}`), '');
      }
      for (const query of ['', 'buyer', 'buyer='])
        expectInvalid(await api.get(`${orders}?${query}`), '/buyer');
      expectInvalid(await api.get(`${orders}?buyer=a&x=1`), '/x');
      // Only the first equals sign parts name and value.
      const padded = (await api.order(id, { sku: 'phone', buyer: 'dGVzdA==' })).order;
      expect((await api.get(`${orders}?buyer=dGVzdA==`)).body).toEqual({
        orders: [padded],
        truncated: false,
      });
      for (const buyer of ['é b', 'a+b', 'a=b&c']) {
        const order = (await api.order(id, { sku: 'phone', buyer })).order;
        const listed = await api.get(`${orders}?buyer=${encodeURIComponent(buyer)}`);
        expect(listed.body).toEqual({ orders: [order], truncated: false });
      }
    });

    test('reads an order body of 4 KiB and refuses one of a byte more', async () => {
      const id = await openSale();
      const padded = (bytes: number) => {
        const text = JSON.stringify({ sku: 'phone', buyer: 'a', pad: '' });
        return { sku: 'phone', buyer: 'a', pad: 'p'.repeat(bytes - text.length) };
      };
      expectInvalid(await api.order(id, padded(4_096)), '/pad');
      expectProblem(await api.order(id, padded(4_097)), 'payload_too_large');
    });
  });

  test('the engine sells at most 4,096 SKUs at a time', async () => {
    const skus = Array.from({ length: 1_024 }, (_, i) => ({ sku: `s${i}`, stock: 1 }));
    const startsAt = '2090-01-01T00:00:00Z';
    const answers: Answer[] = [];
    for (let i = 0; i < 4; i++) answers.push(await api.put(`wide-${i}`, { startsAt, skus }));
    // The other tests' sales take some of the rows.
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 503]);
    expectProblem(answers[3]!, 'overloaded');
    expectProblem(await api.get('/v1/sales/wide-3'), 'sale_not_found');
    // A sale that is over makes room, and keeps its counters.
    expect((await api.post('/v1/sales/wide-0/end')).status).toBe(200);
    expect((await api.put('wide-3', { startsAt, skus })).status).toBe(201);
    expect(await api.sku('wide-0', 's1023')).toMatchObject({ total: 1, available: 1 });
  });
});

test("a buyer's orders within one millisecond are listed in the order in which they were decided", async () => {
  // One shard decides one batch at one time, so only its own order of the orders can tell them apart.
  const engine = await Engine.start({ durability: 'memory', shards: 1, ...sizes });
  const { url } = await engine.listen({ port: 0 });
  const api = new Api(url);
  onTestFinished(async () => {
    await api.close();
    await engine.close();
  });
  const skus = ['much-asked', 'little-asked'].map((sku) => ({ sku, stock: 100 }));
  expect((await api.put('s', { skus })).status).toBe(201);
  const outcomes = await engine.placeOrders([
    ...Array.from({ length: 5 }, (_, i) => ({ sale: 's', sku: 'much-asked', buyer: `other-${i}` })),
    { sale: 's', sku: 'much-asked', buyer: 'me' },
    { sale: 's', sku: 'little-asked', buyer: 'me' },
  ]);
  expect(outcomes.accepted).toBe(7);
  const listed = (await api.get('/v1/sales/s/orders?buyer=me')).body as { orders: OrderJson[] };
  expect(listed.orders.map(({ sku }) => sku)).toEqual(['much-asked', 'little-asked']);
});

describe('while a shard waits for its disk', () => {
  const replyDeadlineMs = 600;

  async function stalled() {
    const dataDir = tempDir();
    const engine = await Engine.start({ dataDir, shards: 1, replyDeadlineMs, ...sizes });
    const { url } = await engine.listen({ port: 0 });
    const api = new Api(url, 400);
    onTestFinished(async () => {
      await api.close();
      await engine.close();
    });
    await api.put('s', { skus: [{ sku: 'phone', stock: 1_000 }] });
    return { dataDir, engine, api };
  }

  test('an order is answered timeout, and the same key later gives the order that was made of it', async () => {
    const { dataDir, api } = await stalled();
    const store = await stallShard(dataDir);
    const askedAt = performance.now();
    const late = await api.order('s', { sku: 'phone', buyer: 'a' }, 'k');
    expectProblem(late, 'timeout');
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(replyDeadlineMs - 1);
    await store.release();
    const answer = await until('an answer', async () => {
      const given = await api.order('s', { sku: 'phone', buyer: 'a' }, 'k');
      return given.status < 500 && given;
    });
    expect(answer.status).toBe(200);
    expect(answer.header('idempotency-replayed')).toBe('true');
    expect(await api.sku('s', 'phone')).toMatchObject({ available: 999, held: 1 });
  });

  test('orders beyond inFlightMax are answered overloaded at once, and the engine recovers', async () => {
    const { dataDir, api } = await stalled();
    const store = await stallShard(dataDir);
    const order = (i: number) => api.order('s', { sku: 'phone', buyer: `b${i}` }, 'k');
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => order(i)));
    const overloaded = answers.filter(({ code }) => code === 'overloaded');
    const late = answers.filter(({ code }) => code === 'timeout');
    expect({ overloaded: overloaded.length, late: late.length }).toEqual({ overloaded: 44, late: 256 });
    for (const answer of overloaded) expectProblem(answer, 'overloaded');
    await store.release();
    await until('room', async () => (await api.order('s', { sku: 'phone', buyer: 'x' })).status === 201);
    const again = await Promise.all(Array.from({ length: 200 }, (_, i) => order(i)));
    expect(again.every(({ status }) => status === 200 || status === 201)).toBe(true);
    const made = (await api.sku('s', 'phone')).held;
    expect(made).toBeLessThanOrEqual(301);
    expect(made).toBeGreaterThanOrEqual(201);
  });

  test('a server that shuts down answers what it has taken, and refuses the rest as shutting_down', async () => {
    const { dataDir, engine, api } = await stalled();
    // A connection that is there already; new ones are not taken any more.
    await Promise.all([api.get('/healthz'), api.get('/healthz')]);
    const store = await stallShard(dataDir);
    const taken = api.order('s', { sku: 'phone', buyer: 'a' });
    // The counters show the order as soon as it is decided; its answer waits for the disk.
    await until('the order to be in flight', async () => (await api.sku('s', 'phone')).held === 1);
    const closed = engine.close();
    const refused = await api.get('/healthz');
    expectProblem(refused, 'shutting_down');
    expect(refused.header('connection')).toBe('close');
    await store.release();
    expect((await taken).status).toBe(201);
    await closed;
    await expect(api.get('/healthz')).rejects.toThrow();
  });
});
