/** What goes out over HTTP, as text: orders, sales and problems. Pure but for two small caches. */
import { codes, type Refusal } from '../errors.js';
import type { Order } from '../sale/order.js';
import type { SaleView, SkuView } from './operator.js';

/** Turns times into RFC 3339 text. A batch shares one time, so the last one is kept. */
class TimeText {
  #timeMs = Number.NaN;
  #text = '';

  of(timeMs: number): string {
    if (timeMs !== this.#timeMs) {
      this.#timeMs = timeMs;
      this.#text = new Date(timeMs).toISOString();
    }
    return this.#text;
  }
}

const created = new TimeText();
const expires = new TimeText();

/** Characters that JSON escapes, or that are not ASCII. Names without any need no escaping. */
const special = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/;

function quoted(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** An order's JSON. Written out by hand, because it is what an acceptor does most. */
export function orderJson(order: Order): string {
  const expiresAt = order.expiresAtMs === null ? 'null' : `"${expires.of(order.expiresAtMs)}"`;
  return (
    `{"orderId":"${order.orderId}","sale":"${order.sale}","sku":"${order.sku}"` +
    `,"buyer":${quoted(order.buyer)},"quantity":${order.quantity},"status":"${order.status}"` +
    `,"sequence":${order.sequence},"createdAt":"${created.of(order.createdAtMs)}"` +
    `,"expiresAt":${expiresAt},"durability":"${order.durability}"}`
  );
}

export function saleJson(sale: SaleView): object {
  return {
    sale: sale.id,
    ...(sale.name === undefined ? {} : { name: sale.name }),
    phase: sale.phase,
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

/** Problem documents of refusals that are constants. */
const problems = new WeakMap<Refusal, string>();

/** A refusal as a problem document (RFC 9457). */
export function problemJson(refusal: Refusal): string {
  const known = problems.get(refusal);
  if (known !== undefined) return known;
  const { status, title } = codes[refusal.code];
  const text = JSON.stringify({
    type: `urn:leiniao:problem:${refusal.code}`,
    title,
    status,
    code: refusal.code,
    detail: refusal.detail,
    ...(refusal.errors === undefined ? {} : { errors: refusal.errors }),
  });
  problems.set(refusal, text);
  return text;
}
