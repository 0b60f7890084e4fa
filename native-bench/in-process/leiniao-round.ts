/**
 * One round of leiniao in a process of its own: a fresh engine with one shard, and callers who place orders by distinct
 * buyers under a purchase limit of one, each a batch after the other. Checks that the units sold are the orders accepted,
 * that an order of every batch reads back as it was placed, and that nobody gets a second one; prints the figures as JSON.
 * The time is from the first call to the last answer, with the making of requests in it, and without the warm-up with
 * another sale before.
 *
 *   node native-bench/build/in-process/leiniao-round.js --buyers 1000000 --durability memory --folder DIR
 */
import { parseArgs } from 'node:util';
import type { Durability } from '#dist/config.js';
import { Engine, type Order, type OrderRequest } from '#dist/index.js';
import { batchOrders, buyerName, callers, sale, sku, stockFor, warmUpOrders } from './workload.js';

/** What a round prints. */
export interface LeiniaoRound {
  readonly ordersPerSecond: number;
  /** Resident memory that came with the orders, those of the warm-up among them, JavaScript's garbage included. */
  readonly bytesPerBuyer: number;
}

/** What became of the first order of a batch, and of how many in all. */
interface Placed {
  readonly accepted: number;
  /** By batch: the order that its first request became. */
  readonly firsts: readonly Order[];
}

function requestsOf(saleId: string, from: number, count: number): OrderRequest[] {
  const requests: OrderRequest[] = new Array(count);
  for (let i = 0; i < count; i++) requests[i] = { sale: saleId, sku, buyer: buyerName(from + i) };
  return requests;
}

/** Has the callers place batches until every buyer has had his turn. Requests are made when their batch is due. */
async function place(engine: Engine, saleId: string, buyers: number): Promise<Placed> {
  const firsts: Order[] = [];
  let accepted = 0;
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < buyers) {
      const from = next;
      next += batchOrders;
      const outcomes = await engine.placeOrders(
        requestsOf(saleId, from, Math.min(batchOrders, buyers - from)),
      );
      accepted += outcomes.accepted;
      const first = outcomes.at(0)!;
      if (!first.ok) throw new Error(`an order was refused: ${first.code}`);
      firsts[from / batchOrders] = first.order;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { accepted, firsts };
}

/** Checks that the orders are there, and what the counters say of them. */
async function check(engine: Engine, { accepted, firsts }: Placed, buyers: number): Promise<void> {
  for (const [batch, { orderId }] of firsts.entries()) {
    const stored = await engine.order(orderId);
    if (!stored.ok || stored.order.buyer !== buyerName(batch * batchOrders)) throw new Error('a wrong order');
  }
  const again = await engine.placeOrder(requestsOf(sale, 0, 1)[0]!);
  if (again.ok || again.code !== 'limit_reached') throw new Error('a buyer got a second order');
  const stock = engine.stock(sale, sku);
  if (!stock.ok || stock.sku.held !== buyers || stock.sku.available !== 1 || accepted !== buyers) {
    throw new Error(`${accepted} orders were accepted by ${buyers} buyers: ${JSON.stringify(stock)}`);
  }
}

async function measure(engine: Engine, buyers: number): Promise<LeiniaoRound> {
  const warmUp = warmUpOrders(buyers);
  const before = process.memoryUsage.rss();
  await engine.putSale('warm-up', { skus: [{ sku, stock: warmUp, limitPerBuyer: 1 }] });
  await place(engine, 'warm-up', warmUp);
  await engine.putSale(sale, { skus: [{ sku, stock: stockFor(buyers), limitPerBuyer: 1 }] });
  const startedMs = performance.now();
  const placed = await place(engine, sale, buyers);
  const spentMs = performance.now() - startedMs;
  const bytesPerBuyer = (process.memoryUsage.rss() - before) / (warmUp + buyers);
  await check(engine, placed, buyers);
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
