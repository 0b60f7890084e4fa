/**
 * Was everybody who was refused refused rightly? Units may come back (cancelled, expired), so a refusal is
 * called wrong only where no order of events could explain it. Pure.
 */
import type { Books } from './books.js';
import type { Attempt, Click, SkuCounters } from './evidence.js';
import { count, type Finding } from './finding.js';

const expectedCodes = new Set(['sold_out', 'insufficient_stock', 'limit_reached']);

interface Refusal {
  readonly attempt: Attempt;
  readonly click: Click;
  readonly code: string;
}

function refusalsOf(attempts: readonly Attempt[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const attempt of attempts) {
    for (const click of attempt.clicks) {
      if (click.answer.kind === 'refused') refusals.push({ attempt, click, code: click.answer.code });
    }
  }
  return refusals;
}

const aboutStock = ({ code }: Refusal): boolean => code === 'sold_out' || code === 'insufficient_stock';

/** Units that may have come back at some instant after they had been taken. */
function returnedUnits(books: Books): number {
  return books.cancelledUnits + books.cancelUnknownUnits + books.mayHaveExpiredUnits;
}

/**
 * Undersold: somebody was refused although there were units for him. Stock only falls, but for units that
 * come back: at the instant of a refusal at least `available at the end - returned since` units were left.
 * In the last call nobody cancels any more, so only doubtful returns count there.
 */
function checkUndersold(books: Books, refusals: readonly Refusal[], available: number): Finding[] {
  const { sku } = books.offered;
  const doubtful = books.cancelUnknownUnits + books.mayHaveExpiredUnits;
  const leftThen = ({ click }: Refusal): number =>
    available - (click.round === 'lastCall' ? doubtful : returnedUnits(books));
  const findings: Finding[] = [];

  const turnedAway = refusals.filter((refusal) => refusal.attempt.quantity <= leftThen(refusal));
  const [first] = turnedAway;
  if (first !== undefined) {
    const example = `e.g. ${first.attempt.buyer}, who asked for ${first.attempt.quantity} and was told ${first.code}`;
    const text = `${count(available, 'unit')} left at the end, but ${count(turnedAway.length, 'click')} that could have been served ${turnedAway.length === 1 ? 'was' : 'were'} refused, ${example}`;
    findings.push({ kind: 'undersold', sku, text });
  }
  const misnamed = refusals.filter(
    (refusal) =>
      refusal.code === 'sold_out' && leftThen(refusal) >= 1 && refusal.attempt.quantity > leftThen(refusal),
  );
  if (misnamed.length > 0) {
    const text = `${count(misnamed.length, 'click')} told sold_out while some units were left (insufficient_stock)`;
    findings.push({ kind: 'contradiction', sku, text });
  }
  return findings;
}

/** With nothing coming back, whoever asks for as much as somebody refused earlier must be refused as well. */
function checkServedAfterRefused(books: Books, refusals: readonly Refusal[]): Finding[] {
  if (returnedUnits(books) > 0 || refusals.length === 0) return [];
  const quantityMax = Math.max(
    ...new Set(refusals.map(({ attempt }) => attempt.quantity)),
    ...new Set(books.sales.map(({ attempt }) => attempt.quantity)),
  );
  // By quantity: the earliest instant at which so much, or less, was known not to be left.
  const refusedAt = new Array<number>(quantityMax + 1).fill(Number.POSITIVE_INFINITY);
  for (const { attempt, click, code } of refusals) {
    const quantity = code === 'sold_out' ? 1 : attempt.quantity;
    refusedAt[quantity] = Math.min(refusedAt[quantity]!, click.answeredAt);
  }
  for (let quantity = 1; quantity <= quantityMax; quantity += 1) {
    refusedAt[quantity] = Math.min(refusedAt[quantity]!, refusedAt[quantity - 1]!);
  }
  const late = books.sales.filter((sale) => sale.firstSentAt > refusedAt[sale.attempt.quantity]!);
  if (late.length === 0) return [];
  const text = `${count(late.length, 'order')} accepted after others had been refused for want of stock, though no unit came back`;
  return [{ kind: 'contradiction', sku: books.offered.sku, text }];
}

/** The same key after its acknowledgement must be answered with its order, not refused. */
function checkReplaysRefused(books: Books): Finding[] {
  const nothingReturned = returnedUnits(books) === 0;
  const wrong: Refusal[] = [];
  for (const { attempt, firstToldAt } of books.sales) {
    for (const refusal of refusalsOf([attempt])) {
      // Clicks that overlap may be decided in either order; with nothing coming back, both orders agree.
      if (refusal.click.sentAt >= firstToldAt || nothingReturned) wrong.push(refusal);
    }
  }
  const [first] = wrong;
  if (first === undefined) return [];
  const text = `${count(wrong.length, 'click')} refused although the same idempotency key got an order, e.g. ${first.attempt.key}: ${first.code}`;
  return [{ kind: 'contradiction', sku: books.offered.sku, text }];
}

/** Whoever was turned away to the last, although there were units for him, went without for no reason. */
function checkShed(books: Books, available: number): Finding[] {
  const wronged = books.unserved.filter(({ quantity, clicks }) => {
    const last = clicks.at(-1);
    return last?.round === 'lastCall' && last.answer.kind === 'shed' && quantity <= available;
  });
  if (wronged.length === 0) return [];
  const text = `${count(available, 'unit')} left at the end, but ${count(wronged.length, 'buyer')} turned away as often as they asked`;
  return [{ kind: 'undersold', sku: books.offered.sku, text }];
}

function checkCodes(books: Books, refusals: readonly Refusal[]): Finding[] {
  const amounts = new Map<string, number>();
  for (const { code } of refusals) {
    if (!expectedCodes.has(code)) amounts.set(code, (amounts.get(code) ?? 0) + 1);
  }
  return [...amounts].map(([code, amount]) => ({
    kind: 'contradiction',
    sku: books.offered.sku,
    text: `${count(amount, 'click')} refused with ${code}, for which there was no reason`,
  }));
}

export function checkRefusals(books: Books, counters: SkuCounters | undefined): Finding[] {
  const unservedRefusals = refusalsOf(books.unserved);
  const all = [...unservedRefusals, ...refusalsOf(books.sales.map(({ attempt }) => attempt))];
  const overStock = all.filter(aboutStock);
  return [
    ...(counters === undefined ? [] : checkUndersold(books, overStock, counters.available)),
    ...(counters === undefined ? [] : checkShed(books, counters.available)),
    ...checkServedAfterRefused(books, unservedRefusals.filter(aboutStock)),
    ...checkReplaysRefused(books),
    ...checkCodes(books, all),
  ];
}
