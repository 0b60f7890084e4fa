/** `placeOrders`: long batches, and who finds room beside them. */

import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import type { Refusal } from '../../dist/index.js';
import { expectFullWidth } from '../support/full-width.js';
import {
  counters,
  expectRefusal,
  freshSale,
  inFlightMax,
  order,
  orderOf,
  shared,
  shareEngine,
  sku,
  start,
  startWithSale,
} from './embedded.js';

shareEngine();

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

  test('keeps names of every length and script apart, and each order finds its own again', async () => {
    const { order, counters } = await freshSale({ skus: [{ sku, stock: 1_000, limitPerBuyer: 1 }] });
    const names = Array.from(
      { length: 120 },
      (_, i) => ['x', 'é', '雷', '😀'][i % 4]!.repeat(1 + (i % 15)) + String(i).padStart(3, '0'),
    );
    // The longest there are, between two others.
    names.splice(60, 0, 'y'.repeat(64), `${'😀'.repeat(15)}yyyz`, 'z'.repeat(64));
    const keys = names.map((_, i) => (i % 3 === 0 ? undefined : `${'k'.repeat(i % 50)}🔑${i}`));
    keys[61] = `${'k'.repeat(60)}🔑`;
    const requests = names.map((name, i) =>
      order(name, keys[i] === undefined ? {} : { idempotencyKey: keys[i] }),
    );
    const outcomes = await shared.placeOrders(requests);
    expect(Array.from(outcomes, (outcome) => orderOf(outcome).buyer)).toEqual(names);
    const again = await shared.placeOrders(requests);
    expect([again.accepted, again.replayed]).toEqual([0, keys.filter((key) => key !== undefined).length]);
    for (const [i, outcome] of [...again].entries()) {
      if (keys[i] === undefined) expect(outcome).toMatchObject({ ok: false, code: 'limit_reached' });
      else expect(orderOf(outcome)).toEqual(orderOf(outcomes.at(i)));
    }
    expect(counters().held).toBe(names.length);
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

test('malformed orders are all refused, and the first thousand told why', async () => {
  const engine = await start();
  const bad = Array.from({ length: limits.malformedExplainedMax + 2 }, () => ({
    ...order('u'),
    quantity: 0,
  }));
  const outcomes = await engine.placeOrders([...bad, order('u')]);
  expect(outcomes.accepted).toBe(0);
  const errors = (at: number) => {
    const outcome = outcomes.at(at)!;
    expectRefusal(outcome, 'invalid_request');
    return (outcome as Refusal).errors!.map(({ path }) => path);
  };
  expect([errors(0), errors(limits.malformedExplainedMax - 1)]).toEqual([['/quantity'], ['/quantity']]);
  expect([errors(limits.malformedExplainedMax), errors(bad.length - 1)]).toEqual([[''], ['']]);
  expectRefusal(outcomes.at(bad.length)!, 'sale_not_found');
});
