/**
 * Fills a data folder with orders of as many buyers, each with an idempotency key, on one shard. With durability commit,
 * so that it is quick: what is measured afterwards reads the same journal as after fsync.
 */
import { Engine } from '#dist/index.js';

const batchCountMax = 10_000;

export interface Filling {
  readonly dataDir: string;
  readonly orders: number;
  /** Whether every other order is confirmed. */
  readonly confirmHalf: boolean;
}

/**
 * @returns how many orders were confirmed; the others are held
 * @throws Error where an order or a confirmation was refused
 */
export async function fill({ dataDir, orders, confirmHalf }: Filling): Promise<number> {
  const engine = await Engine.start({ dataDir, shards: 1, durability: 'commit', ordersPerShardMax: 2 ** 24 });
  try {
    const skus = [{ sku: 'sku-1', stock: orders, limitPerBuyer: 1 }];
    await engine.putSale('bench', { skus, holdSeconds: 86_400 });
    let confirmed = 0;
    for (let from = 0; from < orders; from += batchCountMax) {
      const ids = await place(engine, from, Math.min(batchCountMax, orders - from));
      if (confirmHalf) confirmed += await confirm(engine, ids);
    }
    return confirmed;
  } finally {
    await engine.close();
  }
}

/** Resolves to the ids of every other order. */
async function place(engine: Engine, from: number, count: number): Promise<string[]> {
  const outcomes = await engine.placeOrders(
    Array.from({ length: count }, (_, i) => ({
      ...{ sale: 'bench', sku: 'sku-1' },
      ...{ buyer: `buyer-${from + i}`, idempotencyKey: `key-${from + i}` },
    })),
  );
  if (outcomes.accepted !== count) throw new Error(`${outcomes.accepted} of ${count} orders were accepted`);
  const ids: string[] = [];
  for (let i = 0; i < count; i += 2) {
    const outcome = outcomes.at(i);
    if (outcome?.ok) ids.push(outcome.order.orderId);
  }
  return ids;
}

async function confirm(engine: Engine, ids: readonly string[]): Promise<number> {
  const results = await Promise.all(ids.map((id) => engine.confirmOrder(id)));
  const refused = results.find((result) => !result.ok);
  if (refused?.ok === false) throw new Error(`a confirmation was refused: ${refused.code}`);
  return results.length;
}
