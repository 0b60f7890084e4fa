/** The HTTP contract of the service: routes, methods, bodies, queries, and what it answers when it is busy or shuts down. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { type Answer, Api } from '../support/api.js';
import { stallShard } from '../support/stalled-store.js';
import { tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';
import { expectInvalid, expectJson, expectProblem, sizes } from './contract.js';
import { api, counters, onEveryEngine, openSale } from './every-engine.js';

onEveryEngine(() => {
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
    for (const sale of ['s', 'stalling']) await api.put(sale, { skus: [{ sku: 'phone', stock: 1_000 }] });
    const stall = () => stallShard(dataDir, (buyer) => api.order('stalling', { sku: 'phone', buyer }));
    return { stall, engine, api };
  }

  test('an order is answered timeout, and the same key later gives the order that was made of it', async () => {
    const { stall, api } = await stalled();
    const store = await stall();
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
    const { stall, api } = await stalled();
    const store = await stall();
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
    const { stall, engine, api } = await stalled();
    // A connection that is there already; new ones are not taken any more.
    await Promise.all([api.get('/healthz'), api.get('/healthz')]);
    const store = await stall();
    const taken = api.order('s', { sku: 'phone', buyer: 'a' });
    // Once a later request is answered, the server has read this one.
    await api.get('/healthz');
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
