/** What the judge of a storm keeps of what clients asked and were told: offers, clicks, restocks, orders and refusals. */
import type { Answer, OrderJson } from './api.js';

export interface Offer {
  readonly sale: string;
  readonly sku: string;
  readonly holdSeconds: number;
  readonly stock: number;
  readonly limitPerBuyer?: number;
}

export interface Ask {
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
}

/** An order as clients see it: only those confirmed late are `reacquired`. */
export type ToldOrder = OrderJson & { readonly reacquired?: boolean };

/** A question and its answer. */
export interface Told {
  readonly answer: Answer;
  readonly sentAt: number;
  readonly answeredAt: number;
}

/** One idempotency key and all that was asked with it. */
export interface Click {
  readonly ask: Ask;
  readonly key: string;
  readonly firstSentAt: number;
  tries: number;
  /** Whether a try got no definite answer, so that it may have made an order, for a while or for good. */
  cutOff: boolean;
  orderId: string | undefined;
  orderToldAt: number;
  /** Set where all tries were refused in the end. */
  refusedAt: number | undefined;
}

export interface Restock {
  readonly offer: Offer;
  readonly quantity: number;
  readonly key: string;
  readonly firstSentAt: number;
  cutOff: boolean;
  became: 'done' | 'refused' | undefined;
  endedAt: number;
}

/** Where an order may get to: each row is one life, in this sequence and no other. */
export const lives = [
  ['held', 'confirmed'],
  ['held', 'cancelled'],
  ['held', 'expired', 'reacquired'],
] as const;
export type Stage = (typeof lives)[number][number];
export type Step = 'confirm' | 'cancel' | 'read';

export interface Known {
  readonly facts: ToldOrder;
  click: Click | undefined;
  readonly firstToldAt: number;
  /** By stage: when somebody was first told of it. */
  readonly toldAt: Map<Stage, number>;
  confirmTried: boolean;
  cancelTried: boolean;
}

export interface Refusal {
  readonly what: string;
  readonly ask: Ask;
  readonly code: string;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** The order that a late confirmation was for. */
  readonly own?: Known;
}

export const nameOf = ({ sale, sku }: { readonly sale: string; readonly sku: string }): string =>
  `${sale}/${sku}`;
export const groupOf = (ask: Ask): string => `${nameOf(ask)} ${ask.buyer} ${ask.quantity}`;
export const stageOf = ({ status, reacquired }: ToldOrder): Stage => (reacquired ? 'reacquired' : status);
export const isMet = (life: readonly Stage[], stages: ReadonlyMap<Stage, number>): boolean =>
  [...stages.keys()].every((stage) => life.includes(stage));

/** When an order's units were back for certain: at the time somebody was told so, unless they were taken again. */
export function freedAt({ toldAt }: Known): number {
  if (toldAt.has('reacquired')) return Number.POSITIVE_INFINITY;
  return toldAt.get('cancelled') ?? toldAt.get('expired') ?? Number.POSITIVE_INFINITY;
}
