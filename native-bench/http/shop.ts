/** A server that sells, as a benchmark sees it: its orders, what it says was taken, and whether it keeps the rules. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Running } from '../harness/running.js';
import { regular } from './buyers.js';
import { type Counters, limitPerBuyer, problems, sku, stockOf } from './servers/answers.js';

export interface Shop {
  readonly url: string;
  /** False for the ceiling, which answers everybody the same. */
  readonly keepsRules: boolean;
}

/** Starts a server that is stopped with the rest, on its cores by the command `pin`, if any. */
export type StartShop = (running: Running, pin?: readonly string[]) => Promise<Shop>;

/** How long a store has for what was in flight when the load ended. */
const settleMsMax = 30_000;
/** Between two readings that must be the same. */
const settleMs = 25;
/** An answer's size may differ from the ceiling's by this share: it says another store's name and durability. */
const sizeShareMax = 0.15;
/** A refusal names no store, so there is nothing that its size may differ by. */
const soldOutBytes = JSON.stringify(problems.sold_out).length;

interface Reading {
  readonly taken: number;
  readonly pending: number | undefined;
  /** Whether nothing was lost or made up. Some servers read one counter after the other. */
  readonly addsUp: boolean;
}

async function unitsNow(shop: Shop, sale: string): Promise<Reading> {
  const response = await fetch(`${shop.url}/v1/sales/${sale}/skus/${sku}`);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  const { total, available, held, confirmed, pending } = (await response.json()) as Counters;
  const taken = held + confirmed;
  return { taken, pending, addsUp: available + taken === total };
}

/**
 * Units taken, once nothing is in flight any more. A server that does not say what is in flight decides in the order in
 * which it reads: when it has refused one more order, it has decided all that came before. Rejects where the counters do
 * not add up.
 */
export async function unitsTaken(shop: Shop, sale: string): Promise<number> {
  const startedMs = performance.now();
  for (let before = Number.NaN; ; await sleep(settleMs)) {
    const { taken, pending, addsUp } = await unitsNow(shop, sale);
    if (taken === before && (pending ?? 0) === 0) {
      if (!addsUp) throw new Error(`${shop.url}: ${taken} units taken and those left are not all there were`);
      return taken;
    }
    if (performance.now() - startedMs > settleMsMax) throw new Error(`${shop.url} is never done`);
    before = taken;
    if (pending === undefined) await proveLimit(shop);
  }
}

async function proveLimit(shop: Shop): Promise<void> {
  const { status, text } = await order(shop, 'bench', regular);
  assertOrder(status === 409 && text.includes('limit_reached'), shop, 'ignores the purchase limit', text);
}

/** Creates the sales of a leiniao server; the other servers begin with them. */
export async function putSales(url: string): Promise<void> {
  for (const [sale, stock] of Object.entries(stockOf)) {
    const response = await fetch(`${url}/v1/sales/${sale}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ skus: [{ sku, stock, limitPerBuyer }], holdSeconds: 3_600 }),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  }
}

async function order(shop: Shop, sale: string, buyer: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${shop.url}/v1/sales/${sale}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sku, buyer }),
  });
  return { status: response.status, text: await response.text() };
}

function assertOrder(condition: boolean, shop: Shop, what: string, text: string): void {
  if (!condition) throw new Error(`${shop.url} ${what}: ${text}`);
}

/**
 * Before anything is measured: an order is answered with the order, a second one of the same buyer is refused, as is any
 * where nothing is left, in as many bytes by every server, and what was taken is one unit.
 *
 * @param orderBytes how long an order is as JSON; another server's may differ a little; undefined where it carries more
 */
export async function proveRules(shop: Shop, orderBytes: number | undefined): Promise<void> {
  const { taken: before } = await unitsNow(shop, 'bench');
  const first = await order(shop, 'bench', regular);
  assertOrder(first.status === 201, shop, 'refuses a first order', first.text);
  const difference = orderBytes === undefined ? 0 : Math.abs(first.text.length - orderBytes) / orderBytes;
  assertOrder(difference <= sizeShareMax, shop, 'answers with an order of another size', first.text);
  const soldOut = await order(shop, 'sold-out', regular);
  assertOrder(soldOut.status === 409 && soldOut.text.includes('sold_out'), shop, 'sells air', soldOut.text);
  assertOrder(soldOut.text.length === soldOutBytes, shop, 'refuses in another size', soldOut.text);
  if (!shop.keepsRules) return;
  assertOrder(first.text.includes(regular), shop, 'answers with somebody else’s order', first.text);
  await proveLimit(shop);
  const taken = (await unitsTaken(shop, 'bench')) - before;
  if (taken !== 1) throw new Error(`${shop.url} took ${taken} units for one order`);
}
