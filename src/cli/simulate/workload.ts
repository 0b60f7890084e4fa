/** Who wants what: the storm's plan, drawn from the seed before anything is sent. */
import type { Attempt, Click, Round, Settlement, SkuOffered } from './evidence.js';
import type { WorkloadOptions } from './options.js';
import { seededRandom } from './random.js';

/** An attempt while it happens. Written by the storm only. */
export interface OpenAttempt extends Attempt {
  readonly clicks: Click[];
  settlement: Settlement;
  mayHaveExpired: boolean;
  readonly plan: {
    readonly settle: 'confirm' | 'cancel' | 'leave';
    /** After the answer, click once more with the same key. */
    readonly clickAfterwards: boolean;
  };
  /** Set by the first acknowledgement, so that two clicks at once don't both settle. */
  settling: boolean;
}

export interface Workload {
  readonly skus: readonly SkuOffered[];
  readonly attempts: readonly OpenAttempt[];
  /** One entry per click. Neighbours are sent at the same time by different connections. */
  readonly clicks: readonly OpenAttempt[];
}

export function planWorkload(options: WorkloadOptions): Workload {
  const random = seededRandom(options.seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const limitPerBuyer = options.limit === 0 ? undefined : options.limit;
  const skus = Array.from({ length: options.skus }, (_, index) => ({
    sku: `sku-${index + 1}`,
    stock: options.stock,
    limitPerBuyer,
  }));

  const attempts: OpenAttempt[] = [];
  const clicks: OpenAttempt[] = [];
  const addAttempt = (buyer: string, key: string, skuIndex: number): void => {
    const fate = random();
    const again = random() < options.retryRate;
    const atOnce = random() < 0.5;
    const attempt: OpenAttempt = {
      key,
      buyer,
      skuIndex,
      quantity: 1 + below(options.quantity),
      clicks: [],
      settlement: 'none',
      mayHaveExpired: false,
      plan: { settle: settleOf(fate, options), clickAfterwards: again && !atOnce },
      settling: false,
    };
    attempts.push(attempt);
    clicks.push(attempt);
    if (again && atOnce) clicks.push(attempt);
  };
  for (let number = 1; number <= options.buyers; number += 1) {
    const skuIndex = below(options.skus);
    const buyer = `buyer-${number}`;
    addAttempt(buyer, `${buyer}-a`, skuIndex);
    if (random() < options.greedyRate) addAttempt(buyer, `${buyer}-b`, skuIndex);
  }
  return { skus, attempts, clicks };
}

function settleOf(fate: number, options: WorkloadOptions): 'confirm' | 'cancel' | 'leave' {
  // Sold outright: there is nothing to settle.
  if (options.holdSeconds === 0) return 'leave';
  if (fate < options.confirmRate) return 'confirm';
  return fate < options.confirmRate + options.cancelRate ? 'cancel' : 'leave';
}

/**
 * Who is asked in the last call. Those left in doubt or shed: all of them, for a repeated key settles what
 * happened. Those refused for want of stock: as many as what is left serves, so that all could be served.
 */
export function planLastCall(
  attempts: readonly OpenAttempt[],
  availableBySku: readonly number[],
): readonly OpenAttempt[] {
  const left = [...availableBySku];
  return attempts.filter((attempt) => {
    if (attempt.clicks.some(({ answer }) => answer.kind === 'order')) return false;
    const last = attempt.clicks.at(-1);
    if (last === undefined) return false;
    if (last.answer.kind === 'shed' || last.answer.kind === 'unknown') return true;
    if (askedInLastCall(last.round) || !isAboutStock(last)) return false;
    const remaining = left[attempt.skuIndex]! - attempt.quantity;
    if (remaining < 0) return false;
    left[attempt.skuIndex] = remaining;
    return true;
  });
}

const askedInLastCall = (round: Round): boolean => round === 'lastCall';

const isAboutStock = ({ answer }: Click): boolean =>
  answer.kind === 'refused' && (answer.code === 'sold_out' || answer.code === 'insufficient_stock');
