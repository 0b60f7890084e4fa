/** The HTTP contract of sales and restocks, route by route and code by code, over real sockets against a real engine. */
import { describe, expect, test } from 'vitest';
import { until } from '../support/until.js';
import { expectInvalid, expectJson, expectProblem, iso, time } from './contract.js';
import { api, counters, newSaleId, onEveryEngine, openSale, placed } from './every-engine.js';

onEveryEngine(() => {
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

    test('without an end opens to the first order that comes after its start, though nobody asked meanwhile', async () => {
      const id = newSaleId();
      const startsAtMs = Date.now() + 250;
      await api.put(id, { startsAt: iso(startsAtMs), skus: [{ sku: 'phone', stock: 5 }] });
      expectProblem(await api.order(id, { sku: 'phone', buyer: 'u-1' }), 'not_started');
      await until('the start', () => Date.now() > startsAtMs + 1);
      expect((await placed(id, { buyer: 'u-1' })).sequence).toBe(1);
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
      await api.put(id, { startsAt: iso(Date.now() + 1_000), skus: [{ sku: 'phone', stock: 1 }] });
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
});
