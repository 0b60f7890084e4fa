/** Medians, percentiles and ratios of the benchmarks, against what their definitions say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  digitsFor,
  median,
  percentile,
  ratios,
  summaryOf,
  summaryText,
} from '../../native-bench/harness/statistics.js';
import { runs, seeded } from '../support/random.js';

test('a median is the middle one, or halfway between the two in the middle', () => {
  expect(median([3])).toBe(3);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 2, 4, 1])).toBe(3);
});

test('values are compared as numbers and stay where they are', () => {
  const values = [100, 20, 3];
  expect(median(values)).toBe(20);
  expect(percentile(values, 0.99)).toBe(100);
  expect(values).toEqual([100, 20, 3]);
});

test('a percentile is a value that was measured: the least that the share lies at or below', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile(hundred, 0)).toBe(1);
  expect(percentile([7], 0.99)).toBe(7);
});

describe(seeded('of any values'), () => {
  test('the share at or below a percentile is reached, and by no smaller one', () => {
    const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (measured, share) => {
        const found = percentile(measured, share);
        expect(measured).toContain(found);
        const wanted = Math.ceil(share * measured.length);
        expect(measured.filter((value) => value <= found).length).toBeGreaterThanOrEqual(wanted);
        expect(measured.filter((value) => value < found).length).toBeLessThan(wanted);
      }),
      runs(300),
    );
  });
});

test('ratios are taken within rounds, so that noise of a whole round cancels out', () => {
  const slowedDown = [1, 0.25, 1];
  const fast = slowedDown.map((share) => 200 * share);
  const slow = slowedDown.map((share) => 100 * share);
  expect(ratios(fast, slow)).toEqual([2, 2, 2]);
});

test('a summary has the median, the least and the most of all rounds, and the rounds in their order', () => {
  expect(summaryOf([3, 1, 2])).toEqual({ rounds: [3, 1, 2], median: 2, min: 1, max: 3 });
});

test('a summary is written with three digits that count, or with all of a large whole number', () => {
  expect(summaryText(summaryOf([73_000, 60_000, 128_000]))).toBe('73,000 (60,000 … 128,000)');
  expect(summaryText(summaryOf([0.0123, 0.01, 0.02]))).toBe('0.0123 (0.0100 … 0.0200)');
  expect(summaryText(summaryOf([1, 2, 3]), 3)).toBe('2.000 (1.000 … 3.000)');
  expect([0, 5_000, 12.3, 1.23, 0.001].map(digitsFor)).toEqual([0, 0, 1, 2, 5]);
});
