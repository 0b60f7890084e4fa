/** What every contender is asked for: one order by each of so many distinct buyers, in batches. */
import { assert } from '#dist/assert.js';

export const sale = 'bench';
export const sku = 'sku-1';

/** Callers of `placeOrders`, each with a batch under way. */
export const callers = 8;

/** Orders of one call of `placeOrders`. */
export const batchOrders = 1_000;

/** By the most of warm-up orders the code that runs is compiled; small rounds have to do with less. */
const warmUpOrdersMax = 400_000;

/** Orders in another sale before those that are timed. */
export function warmUpOrders(buyers: number): number {
  return Math.min(Math.ceil(buyers / 3), warmUpOrdersMax);
}

/**
 * Buyer number `i`, from 0: at most 12 bytes, as long as there are less than 10 million. V8 keeps a concatenation of less than
 * 13 characters as a flat string (`ConsString::kMinLength` in its objects/string.h), which is what a parser makes of a name;
 * a longer one would be flattened while the order is read.
 */
export function buyerName(i: number): string {
  assert(i < 10_000_000, 'a name is at most 12 bytes');
  return `user-${i}`;
}

/** The stock to begin with: one unit is left over, so that whoever comes again meets the limit and not an empty shelf. */
export function stockFor(buyers: number): number {
  return buyers + 1;
}
