/** The Universal Scalability Law is fitted to what is measured: it finds what made the points, and stays sane where nothing did. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../native-bench/harness/random.js';
import {
  fitted,
  type Point,
  peakOf,
  type ScalingLaw,
  valueAt,
} from '../../native-bench/scaling/scaling-law.js';
import { seeded } from '../support/random.js';
import { seed } from '../support/seed.js';

const lawOf = (sigma: number, kappa: number | undefined, lambda = 1.5e6): ScalingLaw => ({
  ...{ lambda, sigma, kappa, spare: 0 },
});
const pointsOf = (law: ScalingLaw, cores: readonly number[]): Point[] =>
  cores.map((n) => [n, valueAt(law, n)]);
const powers = (most: number): number[] => Array.from({ length: Math.log2(most) + 1 }, (_, i) => 2 ** i);

test('the law is what its definition says', () => {
  expect(valueAt(lawOf(0.5, 0.25, 100), 1)).toBe(100);
  expect(valueAt(lawOf(0.5, 0.25, 100), 3)).toBe(300 / (1 + 1 + 1.5));
  expect(valueAt(lawOf(0, undefined, 100), 64)).toBe(6_400);
});

test.each([
  { sigma: 0.03, kappa: 0.0005, cores: powers(32) },
  { sigma: 0.2, kappa: 0.01, cores: powers(8) },
  { sigma: 0.002, kappa: 0.00001, cores: powers(128) },
  { sigma: 0.25, kappa: 0, cores: powers(2) },
  { sigma: 0, kappa: 0, cores: powers(4) },
])('points of σ $sigma and κ $kappa are fitted by the law that made them', ({ sigma, kappa, cores }) => {
  const made = lawOf(sigma, kappa);
  const law = fitted(pointsOf(made, cores))!;
  for (const n of [...cores, 128]) expect(valueAt(law, n) / valueAt(made, n)).toBeCloseTo(1, 6);
});

test('κ takes four points, and the law two', () => {
  const points = pointsOf(lawOf(0.1, 0.01), powers(16));
  expect(fitted(points.slice(0, 1))).toBeUndefined();
  expect(fitted(points.slice(0, 2))).toMatchObject({ kappa: undefined, spare: 0 });
  expect(fitted(points.slice(0, 3))).toMatchObject({ kappa: undefined, spare: 1 });
  expect(fitted(points.slice(0, 4))).toMatchObject({ kappa: expect.closeTo(0.01, 6), spare: 1 });
});

describe(seeded('with noise'), () => {
  test('points that are off by some hundredths give a law that is off by as much', () => {
    const random = seededRandom(seed);
    const made = lawOf(0.05, 0.0008);
    for (let run = 0; run < 50; run++) {
      const noisy = pointsOf(made, powers(64)).map(
        ([n, value]): Point => [n, value * (0.97 + 0.06 * random())],
      );
      const law = fitted(noisy)!;
      for (const n of powers(64)) expect(Math.abs(valueAt(law, n) / valueAt(made, n) - 1)).toBeLessThan(0.06);
    }
  });
});

test('points that are better than linear are taken for linear: nothing can cost less than nothing', () => {
  const superlinear: Point[] = [
    [1, 100],
    [2, 230],
    [4, 500],
    [8, 1_100],
  ];
  for (const count of [2, 3, 4]) {
    const law = fitted(superlinear.slice(0, count))!;
    expect(law.sigma).toBe(0);
    expect(law.kappa ?? 0).toBe(0);
    expect(law.lambda).toBeGreaterThan(100);
    expect(law.lambda).toBeLessThan(superlinear[count - 1]![1] / superlinear[count - 1]![0]);
    expect(peakOf(law)).toBe(Infinity);
  }
});

test('where more cores give less, σ says so, and there is a peak', () => {
  expect(
    fitted([
      [1, 100],
      [2, 80],
    ])!.sigma,
  ).toBeGreaterThan(1);
  const law = fitted([
    [1, 100],
    [2, 150],
    [4, 160],
    [8, 90],
  ])!;
  expect(law.kappa).toBeGreaterThan(0);
  expect(peakOf(law)).toBeGreaterThan(2);
  expect(peakOf(law)).toBeLessThan(8);
});

test('the peak is where the law is at its most', () => {
  const law = lawOf(0.1, 0.001);
  expect(peakOf(law)).toBe(30);
  expect(valueAt(law, 30)).toBeGreaterThan(valueAt(law, 29));
  expect(valueAt(law, 30)).toBeGreaterThan(valueAt(law, 31));
  expect(peakOf(lawOf(0.1, undefined))).toBe(Infinity);
});
