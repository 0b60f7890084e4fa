/**
 * Whether a refusal can be right: whether there was a moment, from when it was asked for until it was answered, at which
 * what is known allowed it. Pure.
 */
import { type Asked, type Known, type KnownOrder, type Try, text } from './known.js';

/** What is wrong with an order being refused, or undefined if it may be right. */
export function wrongRefusal(
  known: Known,
  attempt: Try,
  code: string,
  nowMs: number,
  roomy: boolean,
): string | undefined {
  const { ask } = attempt;
  const sale = known.sale(ask.sale);
  const what = `${text(ask)} was refused with ${code}`;
  const unless = (possible: boolean, why: string): string | undefined =>
    possible ? undefined : `${what}, ${why}`;
  switch (code) {
    case 'limit_reached': {
      const { limit } = known.sku(ask);
      const units = unitsOfBuyerMost(known, attempt, ask.buyer, attempt);
      return unless(units + ask.quantity > limit, `having ${units} of ${limit} at most`);
    }
    case 'sold_out':
    case 'insufficient_stock': {
      const left = unitsLeftLeast(known, attempt, ask, attempt);
      return unless(left < ask.quantity, `and ${left} must be left`);
    }
    case 'idempotency_conflict': {
      const other = known
        .triesOf(attempt)
        .some((one) => one.ask.sku !== ask.sku || one.ask.quantity !== ask.quantity);
      return unless(other, 'and its key was used for nothing else');
    }
    case 'not_started':
      return unless(attempt.sentAtMs < sale.startsAtMs, `at ${nowMs}, and it began at ${sale.startsAtMs}`);
    case 'paused':
      return unless(attempt.sentAt < sale.pausedUntil, 'and nobody had paused it');
    case 'ended':
      return unless(sale.endAsked || nowMs >= sale.endsAtMs, `at ${nowMs}, before its end`);
    case 'overloaded':
      return unless(!roomy, 'and there was room');
    default:
      return `${what} at ${nowMs}`;
  }
}

/** What is wrong with an expired order not being confirmed, or undefined if it may be right. */
export function wrongExpiry(known: Known, asked: Asked, order: KnownOrder): string | undefined {
  const { facts } = order;
  const { limit } = known.sku(facts);
  const left = unitsLeftLeast(known, asked, facts, order);
  const units = unitsOfBuyerMost(known, asked, facts.buyer, order);
  if (left < facts.quantity || units + facts.quantity > limit) return undefined;
  return `order ${facts.orderId} was not confirmed late, and ${left} must be left, and its buyer has ${units} of ${limit}`;
}

/** Whether an order's units may have been taken at some moment since something was asked. */
function mayBeTaken({ freedAt }: KnownOrder, { sentAt }: Asked): boolean {
  return freedAt === undefined || freedAt > sentAt;
}

/** The fewest units that can have been left, but for what `own` takes or took. */
function unitsLeftLeast(
  known: Known,
  asked: Asked,
  name: { readonly sale: string; readonly sku: string },
  own: Try | KnownOrder,
): number {
  const sku = known.sku(name);
  const taken =
    known.unitsOf(name, (order) => order !== own && mayBeTaken(order, asked)) +
    known.doubtfulUnits(name, (attempt) => attempt !== own);
  return sku.stock + asked.addedLeast - taken - sku.maybeWithdrawn;
}

/** The most units that can have counted against a buyer's limit, but for those of `own`. */
function unitsOfBuyerMost(known: Known, asked: Asked, buyer: string, own: Try | KnownOrder): number {
  const name = 'ask' in own ? own.ask : own.facts;
  return (
    known.unitsOf(name, (order) => order !== own && order.facts.buyer === buyer && mayBeTaken(order, asked)) +
    known.doubtfulUnits(name, (attempt) => attempt !== own && attempt.ask.buyer === buyer)
  );
}
