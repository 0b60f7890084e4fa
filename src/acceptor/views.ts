/** Orders and sales as HTTP shows them. Pure. */
import type { Order } from '../sale/order.js';
import type { SaleView, SkuView } from './operator.js';

/** An order as HTTP shows it. */
export function orderJson(order: Order): string {
  const {
    orderId,
    sale,
    sku,
    buyer,
    quantity,
    status,
    sequence,
    createdAtMs,
    expiresAtMs,
    durability,
    reacquired,
    receipt,
  } = order;
  const createdAt = new Date(createdAtMs).toISOString();
  const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
  return JSON.stringify({
    ...{ orderId, sale, sku, buyer, quantity, status, sequence, createdAt, expiresAt, durability },
    // Few orders are, so the others do not mention it.
    ...(reacquired ? { reacquired } : {}),
    ...(receipt === undefined ? {} : { receipt }),
  });
}

export function saleJson(sale: SaleView): object {
  return {
    sale: sale.id,
    ...(sale.name === undefined ? {} : { name: sale.name }),
    phase: sale.phase,
    ...(sale.paused ? { paused: true } : {}),
    startsAt: new Date(sale.startsAtMs).toISOString(),
    endsAt: sale.endsAtMs === null ? null : new Date(sale.endsAtMs).toISOString(),
    holdSeconds: sale.holdSeconds,
    skus: sale.skus.map(skuJson),
  };
}

export function skuJson(line: SkuView): object {
  const { sku, total, available, held, confirmed, limitPerBuyer } = line;
  return { sku, total, available, held, confirmed, limitPerBuyer };
}
