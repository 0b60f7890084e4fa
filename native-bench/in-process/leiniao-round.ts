/**
 * One round of leiniao in a process of its own: a fresh engine with one shard, `placeOrders` in batches by distinct buyers
 * under a purchase limit of one. Checks that the units sold are the orders accepted, that one order in a thousand reads back
 * as it was placed, and that nobody gets a second one; prints the figures as JSON. The time counts what `placeOrders`
 * takes: neither making the requests, nor looking at their outcomes.
 *
 *   node native-bench/build/in-process/leiniao-round.js --buyers 1000000 --durability memory --folder DIR
 */
import { parseArgs } from 'node:util';
import type { Durability } from '#dist/config.js';
import { Engine } from '#dist/index.js';
import { batchOrders, buyerName, checkedOf, sale, sku, stockFor } from './workload.js';

/** What a round prints. */
export interface LeiniaoRound {
  readonly ordersPerSecond: number;
  /** Resident memory that came with the orders, JavaScript's garbage included. */
  readonly bytesPerBuyer: number;
}

function requestsOf(from: number, count: number): { sale: string; sku: string; buyer: string }[] {
  return Array.from({ length: count }, (_, i) => ({ sale, sku, buyer: buyerName(from + i) }));
}

async function requireRefusal(engine: Engine): Promise<void> {
  const again = await engine.placeOrder(requestsOf(0, 1)[0]!);
  if (again.ok || again.code !== 'limit_reached') throw new Error('a buyer got a second order');
}

async function measure(engine: Engine, buyers: number): Promise<LeiniaoRound> {
  await engine.putSale(sale, { skus: [{ sku, stock: stockFor(buyers), limitPerBuyer: 1 }] });
  const before = process.memoryUsage.rss();
  let spentMs = 0;
  let accepted = 0;
  for (let from = 0; from < buyers; from += batchOrders) {
    const requests = requestsOf(from, Math.min(batchOrders, buyers - from));
    const startedMs = performance.now();
    const outcomes = await engine.placeOrders(requests);
    spentMs += performance.now() - startedMs;
    accepted += outcomes.accepted;
    for (let i = 0; i < requests.length; i += checkedOf) {
      const outcome = outcomes.at(i);
      const stored = outcome?.ok ? await engine.order(outcome.order.orderId) : undefined;
      if (!stored?.ok || stored.order.buyer !== requests[i]!.buyer) throw new Error('a wrong outcome');
    }
  }
  const bytesPerBuyer = (process.memoryUsage.rss() - before) / buyers;
  await requireRefusal(engine);
  const stock = engine.stock(sale, sku);
  if (!stock.ok || stock.sku.held !== buyers || stock.sku.available !== 1 || accepted !== buyers) {
    throw new Error(`${accepted} orders were accepted by ${buyers} buyers: ${JSON.stringify(stock)}`);
  }
  return { ordersPerSecond: (buyers / spentMs) * 1_000, bytesPerBuyer };
}

const { values: options } = parseArgs({
  options: {
    buyers: { type: 'string', default: '1000000' },
    durability: { type: 'string', default: 'memory' },
    folder: { type: 'string', default: './unused' },
  },
});
const durability = options.durability as Durability;
const engine = await Engine.start({
  ...{ dataDir: options.folder, durability, shards: 1, ordersPerShardMax: 2 ** 23 },
});
let round: LeiniaoRound;
try {
  round = await measure(engine, Number(options.buyers));
} finally {
  await engine.close();
}
process.stdout.write(`${JSON.stringify(round)}\n`);
