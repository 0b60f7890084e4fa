/** What the servers beside leiniao answer: the same JSON documents as leiniao, of about the same size. Pure. */
import { regular } from '../buyers.js';

/** Units that the sale `bench` begins with: more than any run asks for. The sale `sold-out` begins with none. */
export const stockOf = { bench: 2_000_000_000, 'sold-out': 0 } as const;
export const sku = 'sku-1';
export const limitPerBuyer = 1;

const holdMs = 3_600_000;

interface Order {
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  /** Counts the accepted orders of a SKU from 1. */
  readonly sequence: number;
  readonly durability: string;
}

/** An order like those that loads make, to answer with or to take the size of. */
export const sampleOrder: Order = {
  ...{ sale: 'bench', sku, buyer: regular, quantity: 1 },
  ...{ sequence: 1_000_001, durability: 'memory' },
};

/** Why there is no order. */
type Refusal = 'sold_out' | 'limit_reached';

export type Outcome = { readonly sequence: number } | { readonly refusal: Refusal };

/** What a store says was taken, in units. */
export interface Counters {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
  /** Requests that are not answered yet; leiniao does not say. */
  readonly pending?: number;
}

export function orderIdOf(sequence: number): string {
  return sequence.toString(16).padStart(16, '0');
}

export function orderDocument(order: Order, nowMs: number): object {
  return {
    orderId: orderIdOf(order.sequence),
    sale: order.sale,
    sku: order.sku,
    buyer: order.buyer,
    quantity: order.quantity,
    status: 'held',
    sequence: order.sequence,
    createdAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(nowMs + holdMs).toISOString(),
    durability: order.durability,
  };
}

/** In leiniao's own words, so that refusals are of its size to the byte. */
export const problems: Readonly<Record<Refusal, object>> = {
  sold_out: {
    type: 'urn:leiniao:problem:sold_out',
    title: 'Sold out',
    status: 409,
    code: 'sold_out',
    detail: 'Nothing is left just now; units that others hold may come back.',
  },
  limit_reached: {
    type: 'urn:leiniao:problem:limit_reached',
    title: 'The purchase limit is reached',
    status: 409,
    code: 'limit_reached',
    detail: 'This order would take the buyer over the purchase limit for this SKU.',
  },
};
