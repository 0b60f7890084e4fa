/** Issues of a value that breaks its schema: found in a moment, however much of it there is. */
import { expect, test } from 'vitest';
import { saleDefinition } from '../dist/sale/schema.js';
import { issuesOf } from '../dist/validation.js';

test('a value of far too many parts is not looked into', () => {
  const tooMany = [{ path: '', message: 'has far too many parts' }];
  expect(issuesOf(saleDefinition, { skus: new Array(524_201).fill(1) })).toEqual(tooMany);
  let deep: unknown = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(issuesOf(saleDefinition, { skus: deep })).toEqual(tooMany);
  const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i]));
  expect(issuesOf(saleDefinition, wide)).toEqual(tooMany);
});

test('the largest sale there may be is looked into', () => {
  const skus = Array.from({ length: 1_024 }, (_, i) => ({ sku: `s-${i}`, stock: 1, limitPerBuyer: 1 }));
  expect(issuesOf(saleDefinition, { skus })).toEqual([]);
  expect(issuesOf(saleDefinition, { skus: [...skus, {}] }).length).toBeGreaterThan(0);
});

test('a value that cannot be read is one that is wrong', () => {
  const unreadable = {
    get skus() {
      throw new Error('not today');
    },
  };
  expect(issuesOf(saleDefinition, unreadable)).toEqual([
    { path: '', message: 'has parts that cannot be read' },
  ]);
});
