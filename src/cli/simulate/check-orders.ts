/** The acknowledged orders of one SKU among themselves: identity, replays, sequence, limits, settlement. Pure. */
import type { Books, Sale } from './books.js';
import type { Attempt } from './evidence.js';
import { count, type Finding } from './finding.js';

type Say = (text: string) => void;

/** One key, one order; one order, one key; and the order is the one that was asked for. */
function checkIdentity(books: Books, say: Say): void {
  const keyByOrder = new Map<string, string>();
  let forked = 0;
  let acceptedTwice = 0;
  let shared = 0;
  let altered = 0;
  for (const { attempt } of books.sales) {
    const ids = new Set<string>();
    let fresh = 0;
    for (const { answer } of attempt.clicks) {
      if (answer.kind !== 'order') continue;
      const { order } = answer;
      ids.add(order.orderId);
      if (!answer.replayed) fresh += 1;
      const asAsked =
        order.sku === books.offered.sku &&
        order.buyer === attempt.buyer &&
        order.quantity === attempt.quantity;
      if (!asAsked) altered += 1;
    }
    if (ids.size > 1) forked += 1;
    else if (fresh > 1) acceptedTwice += 1;
    for (const id of ids) {
      if (keyByOrder.has(id)) shared += 1;
      keyByOrder.set(id, attempt.key);
    }
  }
  if (forked > 0) say(`${count(forked, 'idempotency key')} got more than one order`);
  if (acceptedTwice > 0) say(`${count(acceptedTwice, 'repeated click')} answered as new, not as replayed`);
  if (shared > 0) say(`${count(shared, 'order')} given to more than one idempotency key`);
  if (altered > 0) say(`${count(altered, 'answer')} for another SKU, buyer or quantity than asked for`);
}

/** Sequence numbers are 1..n without gap or repetition, except for orders that nobody was told of. */
function checkSequence(books: Books, say: Say): void {
  const ordered = books.orders.toSorted((a, b) => a.sequence - b.sequence);
  let repeated = 0;
  let invalid = 0;
  let previous: number | undefined;
  for (const { sequence } of ordered) {
    if (!Number.isSafeInteger(sequence) || sequence < 1) invalid += 1;
    if (sequence === previous) repeated += 1;
    previous = sequence;
  }
  if (invalid > 0) say(`${count(invalid, 'order')} without a valid sequence number`);
  if (repeated > 0) say(`${count(repeated, 'sequence number')} given twice`);
  const last = previous ?? 0;
  const told = ordered.length;
  if (invalid === 0 && repeated === 0 && last > told + books.unknown.length) {
    const unaccounted = last - told - books.unknown.length;
    say(`sequence numbers reach ${last} with ${told} orders told: ${unaccounted} unaccounted for`);
  }
}

/** Whoever was told of an order before another buyer asked has the smaller sequence number. */
function checkTurns(sales: readonly Sale[], say: Say): void {
  const ordered = sales.toSorted((a, b) => a.order.sequence - b.order.sequence);
  let overtaken = 0;
  let latestAskedAt = Number.NEGATIVE_INFINITY;
  for (const { firstSentAt, firstToldAt } of ordered) {
    if (firstToldAt < latestAskedAt) overtaken += 1;
    latestAskedAt = Math.max(latestAskedAt, firstSentAt);
  }
  if (overtaken > 0) {
    say(
      `${count(overtaken, 'order')} told before another was asked for, yet with the larger sequence number`,
    );
  }
}

interface BuyerUnits {
  kept: number;
  possible: number;
}

function checkLimit(books: Books, say: Say): void {
  const limit = books.offered.limitPerBuyer;
  if (limit === undefined) {
    const refused = books.unserved.filter(wasRefusedForLimit).length;
    if (refused > 0) say(`${count(refused, 'buyer')} told limit_reached, but there is no limit`);
    return;
  }
  const byBuyer = new Map<string, BuyerUnits>();
  const add = (attempt: Attempt, kept: boolean): void => {
    const units = byBuyer.get(attempt.buyer) ?? { kept: 0, possible: 0 };
    units.possible += attempt.quantity;
    if (kept) units.kept += attempt.quantity;
    byBuyer.set(attempt.buyer, units);
  };
  for (const { attempt } of books.sales) {
    const mayBeBack =
      attempt.settlement === 'cancelled' ||
      attempt.settlement === 'cancelUnknown' ||
      (attempt.mayHaveExpired && attempt.settlement !== 'confirmed');
    add(attempt, !mayBeBack);
  }
  for (const attempt of books.unknown) add(attempt, false);

  const over = [...byBuyer.values()].filter(({ kept }) => kept > limit).length;
  if (over > 0) say(`${count(over, 'buyer')} got more than the limit of ${limit}`);
  const unknown = new Set(books.unknown);
  const wronged = books.unserved.filter(
    (attempt) =>
      wasRefusedForLimit(attempt) &&
      !unknown.has(attempt) &&
      (byBuyer.get(attempt.buyer)?.possible ?? 0) + attempt.quantity <= limit,
  ).length;
  if (wronged > 0) say(`${count(wronged, 'buyer')} told limit_reached below the limit of ${limit}`);
}

function wasRefusedForLimit(attempt: Attempt): boolean {
  return attempt.clicks.some(({ answer }) => answer.kind === 'refused' && answer.code === 'limit_reached');
}

/** An order that was held must settle as its buyer asks, unless its time may have been up. */
function checkSettlement(books: Books, say: Say): void {
  const codes = new Map<string, number>();
  for (const { attempt } of books.sales) {
    if (typeof attempt.settlement === 'string') continue;
    const { refused } = attempt.settlement;
    if (refused === 'order_expired' && attempt.mayHaveExpired) continue;
    codes.set(refused, (codes.get(refused) ?? 0) + 1);
  }
  for (const [code, amount] of codes) say(`${count(amount, 'confirm or cancel')} refused with ${code}`);
}

export function checkOrders(books: Books): Finding[] {
  const findings: Finding[] = [];
  const say: Say = (text) => {
    findings.push({ kind: 'contradiction', sku: books.offered.sku, text });
  };
  checkIdentity(books, say);
  checkSequence(books, say);
  checkTurns(books.sales, say);
  checkLimit(books, say);
  checkSettlement(books, say);
  return findings;
}
