/** An order as callers see it. Pure. */
import type { Durability } from '../config.js';
import type { StatusName } from './order-state.js';

export interface Order {
  readonly orderId: string;
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  /** Units. */
  readonly quantity: number;
  readonly status: StatusName;
  /** Position among the accepted orders for this SKU, from 1 without gaps. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** Deadline of the hold, in milliseconds since the epoch; null once confirmed or cancelled. */
  readonly expiresAtMs: number | null;
  /** Whether it was confirmed after its hold had expired, with units that were still there. */
  readonly reacquired: boolean;
  /** The mode under which the order was acknowledged. */
  readonly durability: Durability;
  /**
   * Where the engine has a `receiptKey`: what was acknowledged, signed, to be verified offline (`verifyReceipt`). The same
   * for every answer about the order under one key. Listings leave it out.
   */
  readonly receipt?: string;
}

/** The order, and whether it was there before: a repeated key, or a step already taken. */
export interface OrderResult {
  readonly ok: true;
  readonly order: Order;
  readonly replayed: boolean;
}
