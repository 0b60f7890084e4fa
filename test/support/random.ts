/** What random tests share beside the seed: their names, fast-check's parameters, and whole numbers. */
import { randomFrom, seed } from './seed.js';

/** A title that says how to repeat a failure. */
export function seeded(title: string): string {
  return `${title} (LEINIAO_TEST_SEED=${seed})`;
}

/** Of fast-check's parameters, those that are ours to choose. */
export interface Runs {
  readonly seed: number;
  readonly numRuns: number;
}

/** fast-check's parameters for `numRuns` runs from the seed. */
export function runs(numRuns: number): Runs {
  return { seed, numRuns };
}

/** Whole numbers from 0 below a limit, the same ones for the same start. */
export function wholeNumbersFrom(start: number): (limit: number) => number {
  const random = randomFrom(start);
  return (limit) => Math.floor(random() * limit);
}
