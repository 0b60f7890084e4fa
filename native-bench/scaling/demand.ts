/** Which SKU the next order is for, as a stream that is drawn before the clock starts. Pure. */
import { seededRandom } from '../harness/random.js';

/** `uniform`: every SKU alike; `zipf`: SKU of rank k in proportion to 1 / k^1.1; `hot`: all of them the first one. */
export type Demand = 'uniform' | 'zipf' | 'hot';

export const zipfExponent = 1.1;
/** Draws in a stream, which is gone through again and again. A power of two. */
const drawsMax = 1 << 16;

/** By SKU: its share of the orders. Sums to 1. */
export function sharesOf(demand: Demand, skus: number): number[] {
  const weights = Array.from({ length: skus }, (_, sku) => weightOf(demand, sku));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function weightOf(demand: Demand, sku: number): number {
  if (demand === 'uniform') return 1;
  if (demand === 'hot') return sku === 0 ? 1 : 0;
  // Zipf's law, of bounded rank: "Human Behavior and the Principle of Least Effort", 1949.
  return 1 / (sku + 1) ** zipfExponent;
}

/**
 * Draws by sequential search in the cumulative shares, here by bisection (inversion: Devroye, "Non-Uniform Random Variate
 * Generation", 1986, III.2). Exact for a bounded distribution, and for a thousand SKUs it needs no cleverer one.
 */
export function streamOf(demand: Demand, skus: number, seed: number): Uint16Array {
  const random = seededRandom(seed);
  let sum = 0;
  const upTo = Float64Array.from(sharesOf(demand, skus), (share) => {
    sum += share;
    return sum;
  });
  return Uint16Array.from({ length: drawsMax }, () => draw(upTo, random() * sum));
}

/** The first SKU whose cumulative share is over `value`. */
function draw(upTo: Float64Array, value: number): number {
  let low = 0;
  let high = upTo.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (upTo[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
