/** What goes out over HTTP, as text: orders, sales and problems. Pure, but for remembering what it made last. */
import { codes, type Refusal } from '../errors.js';
import type { Order } from '../sale/order.js';
import type { SaleView, SkuView } from './operator.js';

/** Characters that JSON escapes, or that are not ASCII. Names without any need no escaping. */
const special = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/;

function quoted(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** The text between two values that seldom change from one order to the next: the last one is kept. */
class Segment<A, B> {
  readonly #render: (a: A, b: B) => string;
  #a: A | undefined = undefined;
  #b: B | undefined = undefined;
  #text = '';

  constructor(render: (a: A, b: B) => string) {
    this.#render = render;
  }

  of(a: A, b: B): string {
    if (a !== this.#a || b !== this.#b) {
      this.#a = a;
      this.#b = b;
      this.#text = this.#render(a, b);
    }
    return this.#text;
  }
}

const place = new Segment((sale: string, sku: string) => `","sale":"${sale}","sku":"${sku}","buyer":`);
const times = new Segment((createdAtMs: number, expiresAtMs: number | null) => {
  const expiresAt = expiresAtMs === null ? 'null' : `"${new Date(expiresAtMs).toISOString()}"`;
  return `,"createdAt":"${new Date(createdAtMs).toISOString()}","expiresAt":${expiresAt},"durability":"`;
});

/** An order's JSON. Written out by hand and in few pieces, because it is what an acceptor does most. */
export function orderJson(order: Order): string {
  return (
    `{"orderId":"${order.orderId}${place.of(order.sale, order.sku)}${quoted(order.buyer)}` +
    `,"quantity":${order.quantity},"status":"${order.status}","sequence":${order.sequence}` +
    `${times.of(order.createdAtMs, order.expiresAtMs)}${order.durability}"}`
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
