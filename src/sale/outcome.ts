/** What a shard can answer, as numbers for the reply ring, and the code each refusal has for callers. Pure. */
import { assert } from '../assert.js';
import type { Code } from '../errors.js';

export const Outcome = {
  /** A new order, or a step or command that was carried out. */
  done: 0,
  /** Nothing changed: the order of a repeated key, or a step already taken. */
  replayed: 1,
  /** No further order in a listing. */
  none: 2,
  soldOut: 3,
  insufficientStock: 4,
  limitReached: 5,
  notStarted: 6,
  paused: 7,
  ended: 8,
  /** The shard has yet to be told what this SKU is by now. */
  staleDefinition: 9,
  orderNotFound: 10,
  orderExpired: 11,
  orderCancelled: 12,
  orderConfirmed: 13,
  saleOpen: 14,
  idempotencyConflict: 15,
  overloaded: 16,
  shardRecovering: 17,
  invalidRequest: 18,
  /** Made by the acceptor, never by a shard: the reply deadline passed. */
  timeout: 19,
  /** Made by the acceptor where taking the reply failed: a defect of ours. */
  defect: 20,
  /** A confirm that came after the deadline, and the units are gone. */
  expiredForGood: 21,
  /** Another shard was deciding about an order with the same key at the same time. */
  keyContended: 22,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

interface Answer {
  readonly code: Code;
  readonly detail: string;
  readonly refundRequired?: true;
}

type Success = typeof Outcome.done | typeof Outcome.replayed | typeof Outcome.none;

const answers: Readonly<Record<Exclude<Outcome, Success>, Answer>> & {
  readonly [success in Success]?: never;
} = {
  [Outcome.soldOut]: {
    code: 'sold_out',
    detail: 'Nothing is left just now; units that others hold may come back.',
  },
  [Outcome.insufficientStock]: {
    code: 'insufficient_stock',
    detail: 'Fewer units are left than were asked for.',
  },
  [Outcome.limitReached]: {
    code: 'limit_reached',
    detail: 'This order would take the buyer over the purchase limit for this SKU.',
  },
  [Outcome.notStarted]: { code: 'not_started', detail: 'The sale has not started yet.' },
  [Outcome.paused]: { code: 'paused', detail: 'The sale is paused.' },
  [Outcome.ended]: { code: 'ended', detail: 'The sale has ended.' },
  [Outcome.orderNotFound]: { code: 'order_not_found', detail: 'There is no such order.' },
  [Outcome.orderExpired]: {
    code: 'order_expired',
    detail: 'The hold expired and its units were given back.',
  },
  [Outcome.orderCancelled]: { code: 'order_cancelled', detail: 'The order was cancelled.' },
  [Outcome.orderConfirmed]: { code: 'order_confirmed', detail: 'The order is confirmed.' },
  [Outcome.saleOpen]: {
    code: 'sale_open',
    detail: 'The sale has opened: restock, pause or end it instead of replacing it.',
  },
  [Outcome.idempotencyConflict]: {
    code: 'idempotency_conflict',
    detail: 'This idempotency key was used before with another body.',
  },
  [Outcome.overloaded]: { code: 'overloaded', detail: 'A bounded table is full; nothing was changed.' },
  [Outcome.shardRecovering]: { code: 'shard_recovering', detail: 'The owner of this SKU is restarting.' },
  [Outcome.invalidRequest]: { code: 'invalid_request', detail: 'The request is out of range.' },
  [Outcome.timeout]: {
    code: 'timeout',
    detail: 'No answer within the deadline. Sending the same request with the same idempotency key is safe.',
  },
  [Outcome.defect]: {
    code: 'internal',
    detail: 'The request failed by a defect of the server. It has been logged.',
  },
  [Outcome.staleDefinition]: {
    code: 'shard_recovering',
    detail: 'The owner of this SKU has just started again and is being told of the sale.',
  },
  [Outcome.expiredForGood]: {
    code: 'order_expired',
    detail:
      'The hold expired, and the stock or the purchase limit no longer allows its units: whoever paid for them has to get it back.',
    refundRequired: true,
  },
  [Outcome.keyContended]: {
    code: 'shard_recovering',
    detail: 'Another order with this idempotency key was being decided at the same time.',
  },
};

assert(
  Object.values(Outcome).every((outcome, i) => outcome === i),
  'outcomes count from 0 without gaps, so that tables can be indexed by them',
);

/** The code and sentence of a refusing outcome. */
export function answerOf(outcome: Outcome): Answer {
  return answers[outcome] ?? { code: 'internal', detail: `unexpected outcome ${outcome}` };
}
