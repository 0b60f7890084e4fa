/** At how many cores scaling is measured, and what memory that takes. */
import { expect, test } from 'vitest';
import { bytesNeeded, coreSteps } from '../../native-bench/scaling/core-steps.js';
import { inFlightMax } from '../../native-bench/scaling/measurement.js';
import { limits } from '../../src/config.js';
import { replyLayout, requestLayout } from '../../src/memory/layout.js';
import { allocateSharedMemory } from '../../src/memory/shared-memory.js';

test('cores double up to all that there are', () => {
  expect(coreSteps(1, 1, false)).toEqual([1]);
  expect(coreSteps(2, 2, false)).toEqual([1, 2]);
  expect(coreSteps(6, 6, false)).toEqual([1, 2, 4, 6]);
  expect(coreSteps(16, 16, false)).toEqual([1, 2, 4, 8, 16]);
});

test('whole cores are a step of their own: beyond them are hyperthreads', () => {
  expect(coreSteps(12, 6, false)).toEqual([1, 2, 4, 6, 8, 12]);
  expect(coreSteps(4, 6, false)).toEqual([1, 2, 4]);
});

test('where there is time, there are steps between', () => {
  expect(coreSteps(2, 2, true)).toEqual([1, 2]);
  expect(coreSteps(12, 12, true)).toEqual([1, 2, 3, 4, 6, 8, 12]);
});

test('there are no more steps than shards', () => {
  const steps = coreSteps(4 * limits.shardsMax, 4 * limits.shardsMax, true);
  expect(steps.at(-1)).toBe(limits.shardsMax);
});

test('every shard has a pair of rings with every producer and the main thread, and room for its orders', () => {
  const pair = inFlightMax * (requestLayout.bytes + replyLayout.bytes);
  expect(bytesNeeded(1, 1, 0)).toBe(2 * pair);
  expect(bytesNeeded(4, 5, 0) - bytesNeeded(4, 4, 0)).toBe(4 * pair);
  expect(bytesNeeded(6, 2, 1_000)).toBe(6 * bytesNeeded(1, 2, 1_000));
  expect(bytesNeeded(1, 1, 2_000) - bytesNeeded(1, 1, 1_000)).toBe(
    bytesNeeded(1, 1, 1_000) - bytesNeeded(1, 1, 0),
  );
});

test('the shared memory of a measurement fits into what it is said to need', () => {
  const [shards, producers, orders] = [2, 2, 1 << 16];
  const memory = allocateSharedMemory({
    shards,
    acceptors: 1 + producers,
    inFlightMax,
    keysPerShardMax: orders,
    hashSeed: 7,
  });
  expect(sharedBytes(memory)).toBeGreaterThan(shards * (producers + 1) * inFlightMax * requestLayout.bytes);
  expect(sharedBytes(memory)).toBeLessThanOrEqual(bytesNeeded(shards, producers, orders));
});

function sharedBytes(value: unknown): number {
  if (value instanceof SharedArrayBuffer) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, one) => sum + sharedBytes(one), 0);
}
