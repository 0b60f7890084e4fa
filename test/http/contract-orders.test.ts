/** The HTTP contract of orders, idempotency keys and listings, code by code, over real sockets against a real engine. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { Api, type OrderJson } from '../support/api.js';
import { until } from '../support/until.js';
import { expectInvalid, expectJson, expectProblem, iso, sizes, time } from './contract.js';
import { api, counters, onEveryEngine, openSale, placed } from './every-engine.js';

onEveryEngine((durability) => {
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
