/** An engine of which one shard runs out of heap. Prints what its callers were told. */
import { Engine } from '../../dist/index.js';

let failures = 0;
const log = {
  info: () => undefined,
  warn: () => undefined,
  error: (details) => {
    if (details.err?.code === 'ERR_WORKER_OUT_OF_MEMORY') failures += 1;
  },
};
const engine = await Engine.start({ dataDir: process.argv[2], shards: 2, shardHeapMiBMax: 48, log });
for (const id of ['s', 'other']) {
  await engine.putSale(id, { holdSeconds: 3_600, skus: [{ sku: 'a', stock: 10 }] });
}
const order = { sale: 's', sku: 'a', buyer: 'u', idempotencyKey: 'k' };
if (!(await engine.placeOrder(order)).ok) throw new Error('the first order was refused');
const told = (outcome) => (outcome.ok ? (outcome.replayed ? 'replayed' : 'accepted') : outcome.code);
// A shard that is about to run out of heap is slow, and its neighbour is not.
const listing = engine.orders('s', 'bomb');
const meanwhile = told(await engine.placeOrder({ sale: 'other', sku: 'a', buyer: 'v' }));
const { code } = await listing;
while (!engine.ready) await new Promise((resolve) => setTimeout(resolve, 10));
const again = told(await engine.placeOrder(order));
const { total, available, held, confirmed } = engine.stock('s', 'a').sku;
const counters = { total, available, held, confirmed };
process.stdout.write(JSON.stringify({ listing: code, meanwhile, because: failures, again, counters }));
await engine.close();
