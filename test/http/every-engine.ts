/** Engines over HTTP that the contract is held against, and sales of a test's own on them. */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { Engine } from '../../dist/index.js';
import { Api, type OrderJson, type SkuJson } from '../support/api.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';
import { sizes } from './contract.js';

export let engine: Engine;
export let api: Api;
let lastSale = 0;

/** Tests of an engine in each durability, with one shard and with several. They share it, one after the other. */
export function onEveryEngine(tests: (durability: 'memory' | 'fsync') => void): void {
  describe.each([
    { durability: 'memory', shards: 1 },
    { durability: 'memory', shards: 3 },
    { durability: 'fsync', shards: 1 },
    { durability: 'fsync', shards: 3 },
  ] as const)('with durability $durability and $shards shards', ({ durability, shards }) => {
    const dataDir = makeTempDir();

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

    tests(durability);
  });
}

export const newSaleId = (): string => {
  lastSale += 1;
  return `sale-${lastSale}`;
};

/** An open sale of its own for a test. */
export async function openSale(definition: object = {}): Promise<string> {
  const id = newSaleId();
  const answer = await api.put(id, { skus: [{ sku: 'phone', stock: 10 }], ...definition });
  expect(answer.status).toBe(201);
  return id;
}

export async function placed(sale: string, body: object, key?: string): Promise<OrderJson> {
  const answer = await api.order(sale, { sku: 'phone', ...body }, key);
  expect({ status: answer.status, code: answer.code }).toEqual({ status: 201, code: undefined });
  return answer.order;
}

export const counters = async (
  sale: string,
  sku = 'phone',
): Promise<Omit<SkuJson, 'limitPerBuyer' | 'sku'>> => {
  const { total, available, held, confirmed } = await api.sku(sale, sku);
  return { total, available, held, confirmed };
};
