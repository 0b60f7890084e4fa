/** Callers whose objects are not what the types say, or are changed afterwards: they are refused, and nobody else notices. */

import { describe, expect, test } from 'vitest';
import type { OrderRequest } from '../../dist/index.js';
import { tempDir } from '../support/temp-dir.js';
import { within } from '../support/until.js';
import {
  expectRefusal,
  freshSale,
  type Outcome,
  order,
  orderOf,
  shared,
  shareEngine,
  sku,
  start,
  startWithSale,
} from './embedded.js';

shareEngine();

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

  test('who passes an array of a strange length gets an error at once, and the engine goes on', async () => {
    const { order } = await freshSale({ skus: [{ sku, stock: 10 }] });
    const two = [order('u1'), order('u2')];
    for (const length of [1.5, Number.NaN, undefined, null, {}, '2', -1, 2n]) {
      const odd = new Proxy(two, {
        get: (target, name, self) => (name === 'length' ? length : Reflect.get(target, name, self)),
      });
      const placing = shared.placeOrders(odd).catch((error: unknown) => error);
      expect(await within(String(length), placing)).toBeInstanceOf(TypeError);
    }
    expect((await shared.placeOrders(two)).accepted).toBe(2);
  });

  test('is refused where a sale has a hole among its SKUs', async () => {
    const between = new Array(3);
    between[0] = { sku, stock: 1 };
    between[2] = { sku: 'b', stock: 1 };
    for (const skus of [new Array(1), between]) {
      expect(await shared.putSale('holes', { skus } as never)).toMatchObject({ code: 'invalid_request' });
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
