/** What a Piscina worker does for one order: the purchase limit of its own buyers, then the shared stock. */
import { workerData } from 'node:worker_threads';
import { limitPerBuyer, type Outcome } from './answers.js';

/** Units left, and orders accepted. Several workers write them. */
const { counters } = workerData as { readonly counters: Readonly<Record<string, SharedArrayBuffer>> };
const views = new Map(Object.entries(counters).map(([sale, memory]) => [sale, new Int32Array(memory)]));
const bought = new Map<string, number>();

export interface OrderTask {
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
}

export default function placeOrder({ sale, sku, buyer, quantity }: OrderTask): Outcome {
  const line = views.get(sale)!;
  const key = `${sale}/${sku}/${buyer}`;
  const before = bought.get(key) ?? 0;
  let left = Atomics.load(line, 0);
  if (left < quantity) return { refusal: 'sold_out' };
  if (before + quantity > limitPerBuyer) return { refusal: 'limit_reached' };
  for (;;) {
    // Another worker may have taken units since: what was read is only right if it still stands.
    const found = Atomics.compareExchange(line, 0, left, left - quantity);
    if (found === left) break;
    left = found;
    if (left < quantity) return { refusal: 'sold_out' };
  }
  bought.set(key, before + quantity);
  return { sequence: Atomics.add(line, 1, 1) + 1 };
}
