/** What several engines measured in the same window, as one figure. */
import { expect, test } from 'vitest';
import type { Measured } from '../../native-bench/scaling/measurement.js';
import { together } from '../../native-bench/scaling/together.js';

const fast: Measured = {
  ...{ orders: 3_000, startedMs: 100, endedMs: 400, ordersPerSecond: 10_000, busiestShard: 0.5 },
  cpu: { producersNs: 100, shardsNs: 200, processNs: 400 },
  ...{ roomLeft: 50, requestNs: 10 },
};
const slow: Measured = {
  ...{ orders: 1_000, startedMs: 150, endedMs: 500, ordersPerSecond: 2_857, busiestShard: 1 },
  cpu: { producersNs: 300, shardsNs: 400, processNs: 800 },
  ...{ roomLeft: 70, requestNs: 50 },
};

test('the window of several engines is from the first start to the last reply', () => {
  expect(together([fast, slow])).toEqual({
    ...{ orders: 4_000, startedMs: 100, endedMs: 500, ordersPerSecond: 10_000, busiestShard: 0.375 },
    cpu: { producersNs: 150, shardsNs: 250, processNs: 500 },
    ...{ roomLeft: 50, requestNs: 20 },
  });
});

test('one engine is what it measured', () => {
  expect(together([fast])).toEqual(fast);
});

test('where the system does not tell of one what it took, it is not known of all', () => {
  expect(together([fast, { ...slow, cpu: undefined }]).cpu).toBeUndefined();
});
