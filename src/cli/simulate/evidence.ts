/**
 * What a storm leaves behind: everything the buyers were told, and what the server says afterwards. Pure data;
 * the storm writes it down, the verdict reads it. Instants are milliseconds of one monotonic clock.
 */

/** An order as the server told it to a buyer. */
export interface OrderTold {
  readonly orderId: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly sequence: number;
}

/**
 * How one click ended, its retries included.
 * `shed`: every try was turned away before it was admitted, so nothing happened.
 * `unknown`: some try got no conclusive answer, so the order may or may not exist.
 */
export type Answer =
  | { readonly kind: 'order'; readonly order: OrderTold; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'shed' }
  | { readonly kind: 'unknown' };

/** `storm`: everybody at once. `lastCall`: those left unserved, after nobody cancels any more. */
export type Round = 'storm' | 'lastCall';

export interface Click {
  readonly round: Round;
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly answer: Answer;
}

/**
 * What a buyer did with an order.
 * `confirmUnknown` and `cancelUnknown`: it was asked for and never answered conclusively.
 */
export type Settlement =
  | 'none'
  | 'confirmed'
  | 'cancelled'
  | 'confirmUnknown'
  | 'cancelUnknown'
  | { readonly refused: string };

/** One purchase a buyer wants: one idempotency key, however many clicks. */
export interface Attempt {
  readonly key: string;
  readonly buyer: string;
  /** Index into the evidence's SKUs. */
  readonly skuIndex: number;
  readonly quantity: number;
  readonly clicks: readonly Click[];
  readonly settlement: Settlement;
  /** The hold may have run out before the sale was read. */
  readonly mayHaveExpired: boolean;
}

export interface SkuOffered {
  readonly sku: string;
  readonly stock: number;
  /** Undefined: no limit. */
  readonly limitPerBuyer: number | undefined;
}

/** One SKU's line of `GET /v1/sales/{sale}`. */
export interface SkuCounters {
  readonly sku: string;
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

export interface Evidence {
  readonly skus: readonly SkuOffered[];
  readonly attempts: readonly Attempt[];
  /** The sale, read when the last buyer was done. */
  readonly counters: readonly SkuCounters[];
  /** Lines read during the storm which did not add up. */
  readonly brokenGlimpses: readonly SkuCounters[];
}
