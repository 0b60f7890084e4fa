/** What the tests of the embedding API share: small engines with an open sale, and what they say of it. */

import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import {
  codes,
  Engine,
  type EngineOptions,
  type Order,
  type OrderRequest,
  type SaleDefinition,
} from '../../dist/index.js';
import { within } from '../support/until.js';

export const inFlightMax = 256;
export const small = { inFlightMax, ordersPerShardMax: 4_096 } as const;

/** An engine that closes when the test ends. */
export async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start({ durability: 'memory', shards: 1, ...small, ...options });
  onTestFinished(() => within('the close', engine.close()));
  return engine;
}

export const sku = 'a';
export const order = (buyer: string, more: Partial<OrderRequest> = {}): OrderRequest => ({
  sale: 's',
  sku,
  buyer,
  ...more,
});

/** An engine with an open sale `s` of the SKU `a`. */
export async function startWithSale(options: EngineOptions = {}, stock = 1_000): Promise<Engine> {
  const engine = await start(options);
  expect((await engine.putSale('s', { skus: [{ sku, stock }] })).ok).toBe(true);
  return engine;
}

export type Outcome = Awaited<ReturnType<Engine['placeOrder']>>;

/** The order of an outcome that has to be one. */
export function orderOf(outcome: Outcome | undefined): Order {
  expect(outcome).toMatchObject({ ok: true });
  return (outcome as { order: Order }).order;
}

/** The counters of the SKU `a`. */
export function counters(engine: Engine, sale = 's') {
  const answer = engine.stock(sale, sku);
  if (!answer.ok) throw new Error(answer.code);
  const { total, available, held, confirmed } = answer.sku;
  return { total, available, held, confirmed };
}

export let shared: Engine;
let lastSale = 0;

/** Starts the engine that the tests of a file share, because starting one takes a while. */
export function shareEngine(): void {
  beforeAll(async () => {
    shared = await Engine.start({ durability: 'memory', shards: 2, inFlightMax, ordersPerShardMax: 1 << 17 });
  });
  afterAll(() => within('the close', shared.close()));
}

/** A sale of the test's own, on the engine that they share. */
export async function freshSale(definition: Partial<SaleDefinition> = {}) {
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
export function expectRefusal(outcome: unknown, code?: string): void {
  expect(outcome).toMatchObject({
    ok: false,
    code: code ?? expect.any(String),
    detail: expect.stringMatching(/\S/),
  });
  expect(codes).toHaveProperty((outcome as { code: string }).code);
}
