/**
 * uWebSockets.js and Piscina, combined in the obvious way: `pool.run()` for every order, the stock in a SharedArrayBuffer.
 * A buyer's orders go to one worker, so that the purchase limit is right: a pool of one worker each, since Piscina's load
 * balancer does not see the task. As many workers as leiniao has shards. A process of its own; prints its URL.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { loadUws } from '#dist/acceptor/uws/load.js';
import { type Counters, type Outcome, orderDocument, orderIdOf, problems, sku, stockOf } from './answers.js';
import type { OrderTask } from './piscina-task.js';

/** Tasks that a worker is given before it has answered the first: with one, it would wait for each next one. */
const tasksPerWorkerMax = 64;

const counters = Object.fromEntries(Object.keys(stockOf).map((sale) => [sale, new SharedArrayBuffer(8)]));
const lines = new Map(Object.entries(counters).map(([sale, memory]) => [sale, new Int32Array(memory)]));
for (const [sale, stock] of Object.entries(stockOf)) lines.get(sale)![0] = stock;

const pools = Array.from(
  { length: Math.max(1, availableParallelism() - 1) },
  () =>
    new Piscina<OrderTask, Outcome>({
      filename: new URL('./piscina-task.js', import.meta.url).href,
      workerData: { counters },
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: tasksPerWorkerMax,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
    }),
);
let pending = 0;

function poolOf(buyer: string): Piscina<OrderTask, Outcome> {
  let hash = 0;
  for (let i = 0; i < buyer.length; i++) hash = (Math.imul(hash, 31) + buyer.charCodeAt(i)) >>> 0;
  return pools[hash % pools.length]!;
}

const uws = loadUws();
const app = uws.App();
app.post('/v1/sales/:sale/orders', (res, req) => {
  const sale = req.getParameter(0)!;
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  res.onData(async (chunk, isLast) => {
    if (!isLast || aborted) return;
    const body = JSON.parse(Buffer.from(chunk).toString('utf8')) as Partial<OrderTask>;
    const { sku = '', buyer = '', quantity = 1 } = body;
    pending += 1;
    const outcome = await poolOf(buyer).run({ sale, sku, buyer, quantity });
    pending -= 1;
    if (aborted) return;
    res.cork(() => {
      if ('refusal' in outcome) {
        res
          .writeStatus('409 Conflict')
          .writeHeader('Content-Type', 'application/problem+json')
          .end(JSON.stringify(problems[outcome.refusal]));
        return;
      }
      const { sequence } = outcome;
      const order = orderDocument({ sale, sku, buyer, quantity, sequence, durability: 'memory' }, Date.now());
      res
        .writeStatus('201 Created')
        .writeHeader('Location', `/v1/orders/${orderIdOf(sequence)}`)
        .writeHeader('Content-Type', 'application/json')
        .end(JSON.stringify(order));
    });
  });
});
app.get('/v1/sales/:sale/skus/:sku', (res, req) => {
  const sale = req.getParameter(0) as keyof typeof stockOf;
  const line = lines.get(sale)!;
  const [available, held] = [Atomics.load(line, 0), Atomics.load(line, 1)];
  const answer: Counters = { total: stockOf[sale], available, held, confirmed: 0, pending };
  res.writeHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
});
// Workers that still start would be measured as slow ones.
for (const pool of pools) await pool.run({ sale: 'sold-out', sku, buyer: 'nobody', quantity: 1 });
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('cannot listen');
  process.stdout.write(`listening on http://127.0.0.1:${uws.us_socket_local_port(socket)}\n`);
  process.once('SIGTERM', async () => {
    app.close();
    await Promise.all(pools.map((pool) => pool.close()));
  });
});
