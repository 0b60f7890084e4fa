/** An evening's work for an engine: every kind of journal entry, on as many shards as it has. */
import { expect } from 'vitest';
import type { Engine, Order } from '../../dist/index.js';
import { until } from './until.js';

export interface Evening {
  /** Every order that was accepted, as it was acknowledged. */
  readonly orders: readonly Order[];
  /** Every SKU, as sale and id. */
  readonly skus: readonly (readonly [sale: string, sku: string])[];
}

const holdSeconds = 1;

const done = <T extends { readonly ok: boolean }>(result: T): T & { readonly ok: true } => {
  expect(result).toMatchObject({ ok: true });
  return result as T & { readonly ok: true };
};

/** Sells on `engine`, which has a new data folder. Takes as long as a hold and a little more. */
export async function sellOneEvening(engine: Engine): Promise<Evening> {
  const skus = ['a', 'b', 'c'].map((sku, i) => ({
    sku,
    stock: 40 + 10 * i,
    ...(i === 0 ? { limitPerBuyer: 2 } : {}),
  }));
  done(await engine.putSale('flash', { holdSeconds, skus }));
  done(await engine.putSale('outright', { holdSeconds: 0, skus: [{ sku: 'x', stock: 7 }] }));
  await replaceScheduled(engine);
  const orders = await placeMany(engine);
  const flash = orders.filter(({ sale }) => sale === 'flash');
  for (const [i, { orderId }] of flash.entries()) {
    if (i % 4 === 0) done(await engine.confirmOrder(orderId));
    if (i % 4 === 1) done(await engine.cancelOrder(orderId));
  }
  done(await engine.restock('flash', 'a', 5, { idempotencyKey: 'delivery-1' }));
  done(await engine.restock('flash', 'a', 5, { idempotencyKey: 'delivery-1' }));
  done(await engine.restock('flash', 'b', -1));
  done(await engine.pauseSale('flash'));
  done(await engine.resumeSale('flash'));
  await until('the holds have run out', async () => {
    const lines = skus.map(({ sku }) => done(engine.stock('flash', sku)).sku.held);
    return lines.every((held) => held === 0);
  });
  const late = flash.filter((_, i) => i % 4 === 2).slice(0, 5);
  for (const { orderId } of late) done(await engine.confirmOrder(orderId));
  done(await engine.endSale('flash'));
  return {
    orders,
    skus: [
      ...skus.map(({ sku }) => ['flash', sku] as const),
      ...[['outright', 'x'] as const, ['scheduled', 'n'] as const, ['scheduled', 'o'] as const],
    ],
  };
}

/** A sale that is replaced before it opens: one SKU goes, one stays, one comes. */
async function replaceScheduled(engine: Engine): Promise<void> {
  const startsAt = '2999-01-01T00:00:00Z';
  const sell = (...skus: string[]) => ({ startsAt, skus: skus.map((sku) => ({ sku, stock: 9 })) });
  done(await engine.putSale('scheduled', sell('m', 'n')));
  done(await engine.restock('scheduled', 'n', 3, { idempotencyKey: 'delivery-1' }));
  done(await engine.putSale('scheduled', sell('n', 'o')));
}

async function placeMany(engine: Engine): Promise<Order[]> {
  const requests = Array.from({ length: 200 }, (_, i) => ({
    ...(i % 20 === 0 ? { sale: 'outright', sku: 'x' } : { sale: 'flash', sku: 'abc'[i % 3]! }),
    buyer: i % 7 === 0 ? `買い手 "${i % 30}", 🐦` : `buyer-${i % 50}`,
    quantity: 1 + (i % 2),
    // Some have none, and some are clicked twice.
    ...(i % 5 === 0 ? {} : { idempotencyKey: `click-${i}` }),
  }));
  const outcomes = await engine.placeOrders([...requests, ...requests.slice(0, 20)]);
  const orders = new Map<string, Order>();
  for (const outcome of outcomes) if (outcome.ok) orders.set(outcome.order.orderId, outcome.order);
  expect(orders.size).toBeGreaterThan(60);
  return [...orders.values()];
}
