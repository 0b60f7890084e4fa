/** What random tests share beside the seed: their names, fast-check's parameters, and whole numbers. */
import type { Parameters } from 'fast-check';
import { randomFrom, seed } from './seed.js';

/** A title that says how to repeat a failure. */
export function seeded(title: string): string {
  return `${title} (LEINIAO_TEST_SEED=${seed})`;
}

/** fast-check's parameters for `numRuns` runs from the seed. */
export function runs<T>(numRuns: number): Parameters<T> {
  return { seed, numRuns };
}

/** Whole numbers from 0 below a limit, the same ones for the same start. */
export function wholeNumbersFrom(start: number): (limit: number) => number {
  const random = randomFrom(start);
  return (limit) => Math.floor(random() * limit);
}
