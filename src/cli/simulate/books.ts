/** What the buyers of one SKU were told, summed up with its uncertainties. Pure. */
import type { Attempt, Click, Evidence, OrderTold, SkuOffered } from './evidence.js';

/** An attempt that was acknowledged. */
export interface Sale {
  readonly attempt: Attempt;
  readonly order: OrderTold;
  /** The order was decided between these two. */
  readonly firstSentAt: number;
  readonly firstToldAt: number;
}

export interface Books {
  readonly offered: SkuOffered;
  readonly sales: readonly Sale[];
  /** Every distinct order told, also where one key wrongly got several. */
  readonly orders: readonly OrderTold[];
  readonly unserved: readonly Attempt[];
  /** Attempts of which nobody knows whether an order exists. */
  readonly unknown: readonly Attempt[];
  readonly demandUnits: number;
  readonly acknowledgedUnits: number;
  readonly cancelledUnits: number;
  /** Cancelling was asked for, the answer got lost. */
  readonly cancelUnknownUnits: number;
  /** Held, neither settled nor certain to be held still. */
  readonly mayHaveExpiredUnits: number;
  readonly unknownUnits: number;
  readonly confirmedUnits: number;
  readonly confirmUnknownUnits: number;
}

const units = (attempts: readonly Attempt[]): number =>
  attempts.reduce((sum, attempt) => sum + attempt.quantity, 0);

function saleOf(attempt: Attempt): Sale | undefined {
  let order: OrderTold | undefined;
  let firstSentAt = Number.POSITIVE_INFINITY;
  let firstToldAt = Number.POSITIVE_INFINITY;
  for (const click of attempt.clicks) {
    firstSentAt = Math.min(firstSentAt, click.sentAt);
    if (click.answer.kind !== 'order') continue;
    order ??= click.answer.order;
    firstToldAt = Math.min(firstToldAt, click.answeredAt);
  }
  return order && { attempt, order, firstSentAt, firstToldAt };
}

function distinctOrders(attempts: readonly Attempt[]): readonly OrderTold[] {
  const orders = new Map<string, OrderTold>();
  for (const { clicks } of attempts) {
    for (const { answer } of clicks) {
      if (answer.kind === 'order') orders.set(answer.order.orderId, answer.order);
    }
  }
  return [...orders.values()];
}

const latest = (clicks: readonly Click[]): Click | undefined =>
  clicks.reduce<Click | undefined>(
    (last, click) => (last === undefined || click.answeredAt >= last.answeredAt ? click : last),
    undefined,
  );

/**
 * True if an order may exist that nobody was told of. A later conclusive refusal of the same key clears the
 * doubt: had there been an order, the answer would have been that order.
 */
function isUnknown(attempt: Attempt): boolean {
  const lastUnknown = latest(attempt.clicks.filter((click) => click.answer.kind === 'unknown'));
  if (lastUnknown === undefined) return false;
  return !attempt.clicks.some(
    (click) => click.answer.kind === 'refused' && click.sentAt >= lastUnknown.answeredAt,
  );
}

/** The books of every SKU, in the order of the evidence. */
export function keepBooks(evidence: Pick<Evidence, 'skus' | 'attempts'>): readonly Books[] {
  const bySku: Attempt[][] = evidence.skus.map(() => []);
  for (const attempt of evidence.attempts) bySku[attempt.skuIndex]!.push(attempt);
  return evidence.skus.map((offered, index) => booksOf(offered, bySku[index]!));
}

function booksOf(offered: SkuOffered, attempts: readonly Attempt[]): Books {
  const sales: Sale[] = [];
  const unserved: Attempt[] = [];
  for (const attempt of attempts) {
    const sale = saleOf(attempt);
    if (sale === undefined) unserved.push(attempt);
    else sales.push(sale);
  }
  const sold = sales.map((sale) => sale.attempt);
  const orders = distinctOrders(sold);
  const settled = (...settlements: string[]): Attempt[] =>
    sold.filter(({ settlement }) => typeof settlement === 'string' && settlements.includes(settlement));
  const certain = new Set(settled('confirmed', 'cancelled', 'cancelUnknown'));
  const unknown = unserved.filter(isUnknown);
  return {
    offered,
    sales,
    orders,
    unserved,
    unknown,
    demandUnits: units(attempts),
    acknowledgedUnits: orders.reduce((sum, order) => sum + order.quantity, 0),
    cancelledUnits: units(settled('cancelled')),
    cancelUnknownUnits: units(settled('cancelUnknown')),
    mayHaveExpiredUnits: units(sold.filter((attempt) => attempt.mayHaveExpired && !certain.has(attempt))),
    unknownUnits: units(unknown),
    confirmedUnits: units(settled('confirmed')),
    confirmUnknownUnits: units(settled('confirmUnknown')),
  };
}
