/**
 * What an acceptor asks of whoever runs the sales. The engine implements it on the thread that started it; HTTP routes
 * and embedders call it.
 */
import type { Refusal } from '../errors.js';
import type { PhaseName } from '../sale/phase.js';
import type { SaleDefinition } from '../sale/schema.js';

/** One SKU's line: `available + held + confirmed === total`. Units. */
export interface SkuView {
  readonly sku: string;
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
  /** Units per buyer; null for no limit. */
  readonly limitPerBuyer: number | null;
}

/** A sale as it is now. Times are milliseconds since the epoch. */
export interface SaleView {
  readonly id: string;
  readonly name: string | undefined;
  readonly phase: PhaseName;
  /** Present on a sale that is scheduled and will open paused. */
  readonly paused?: true;
  readonly startsAtMs: number;
  readonly endsAtMs: number | null;
  readonly holdSeconds: number;
  readonly skus: readonly SkuView[];
}

export interface SaleResult {
  readonly ok: true;
  /** Whether there was no such sale before. */
  readonly created: boolean;
  readonly sale: SaleView;
}

export interface RestockResult {
  readonly ok: true;
  /** Whether this idempotency key was used before: then nothing was added now. */
  readonly replayed: boolean;
  /** The SKU's line after it. */
  readonly sku: SkuView;
}

export interface SaleOperator {
  /** Creates a sale, or replaces one that has not opened yet. Idempotent. */
  putSale(id: string, definition: SaleDefinition): Promise<SaleResult | Refusal>;
  pauseSale(id: string): Promise<SaleResult | Refusal>;
  resumeSale(id: string): Promise<SaleResult | Refusal>;
  endSale(id: string): Promise<SaleResult | Refusal>;
  /** Adds units to a SKU; a negative quantity withdraws, never more than is available. */
  restock(
    saleId: string,
    skuId: string,
    quantity: number,
    idempotencyKey?: string,
  ): Promise<RestockResult | Refusal>;
  sale(id: string): SaleView | undefined;
  sales(): SaleView[];
  sku(saleId: string, skuId: string): SkuView | undefined;
}
