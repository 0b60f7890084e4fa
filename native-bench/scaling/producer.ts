/**
 * A producer: an acceptor without sockets, in a thread of its own. It has what an acceptor has (dispatcher, catalogue,
 * order desk) and places orders of buyers of its own in batches, several of them in flight, until its time is up and
 * every reply is there.
 */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { OrderDesk } from '#dist/acceptor/order-desk.js';
import type { OrderOutcomes } from '#dist/acceptor/order-outcomes.js';
import { clockFrom, monotonicMs } from '#dist/clock.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { build, Catalogue } from '#dist/sale/catalogue.js';
import { OrderIds } from '#dist/sale/order-id.js';
import type { OrderRequest } from '#dist/sale/schema.js';
import { ownThreadId } from './cpu-times.js';
import { streamOf } from './demand.js';
import type {
  ProducerLoaded,
  ProducerOrder,
  ProducerReady,
  ProducerReport,
  ProducerRun,
  ProducerSale,
  ProducerTask,
} from './producer-task.js';

const batchOrders = 512;
/** Together they fit in flight, beside what is kept free for single requests. */
const batchesInFlight = 4;
/** Requests that are made and thrown away to learn what making one takes. */
const requestsTimed = 100_000;

const task = workerData as ProducerTask;
const { producer, memory, demand } = task;
parentPort!.postMessage({ thread: ownThreadId() } satisfies ProducerLoaded);
const [{ record }] = (await once(parentPort!, 'message')) as [ProducerSale];
const skuNames = record.definition.skus.map(({ sku }) => sku);
const stream = streamOf(demand, skuNames.length, producer + 1);
const asked = new Uint32Array(skuNames.length);
const accepted = new Uint32Array(skuNames.length);
const defects: unknown[] = [];
let buyers = 0;

const clock = clockFrom(task.clock);
const dispatcher = new Dispatcher({
  // Acceptor 0 is the main thread, which defines the sale.
  ...{ memory, acceptor: producer + 1, clock },
  ...{ inFlightMax: task.inFlightMax, replyDeadlineMs: task.replyDeadlineMs },
  onDefect: (error) => defects.push(error),
});
const catalogue = new Catalogue(memory.shards);
catalogue.take(build(record));
const ids = OrderIds.ofStore(task.storeId, memory.shards);
const desk = new OrderDesk({ dispatcher, catalogue, stock: new StockTable(memory.stock), ids, clock });

function skuOf(order: number): number {
  return stream[order & (stream.length - 1)]!;
}

function requestOf(order: number): OrderRequest {
  return { sale: record.id, sku: skuNames[skuOf(order)]!, buyer: `p${producer}-${order}` };
}

/** Counts what a batch got, and looks closely at its first order. `from` is that one's number. */
function book(outcomes: OrderOutcomes, from: number): void {
  const { length } = outcomes;
  const first = outcomes.at(0)!;
  if (first.ok && (first.order.sku !== skuNames[skuOf(from)] || first.order.sequence < 1)) {
    throw new Error(`an order for ${skuNames[skuOf(from)]} was answered with ${JSON.stringify(first.order)}`);
  }
  for (let i = 0; i < length; i++) asked[skuOf(from + i)]! += 1;
  if (!task.sellsOut) {
    if (outcomes.accepted !== length) {
      const refusal = Array.from(outcomes).find((outcome) => !outcome.ok);
      throw new Error(`an order was refused though there was stock: ${JSON.stringify(refusal)}`);
    }
    for (let i = 0; i < length; i++) accepted[skuOf(from + i)]! += 1;
    return;
  }
  for (let i = 0; i < length; i++) {
    const outcome = outcomes.at(i)!;
    if (outcome.ok) accepted[skuOf(from + i)]! += 1;
    else if (outcome.code !== 'sold_out') throw new Error(`an order was refused: ${outcome.code}`);
  }
}

/** One of the batches in flight, again and again. */
async function place(untilMs: number, ordersUntil: number, ordersMax: number): Promise<void> {
  // Who is refused takes no room.
  while (
    (performance.now() < untilMs || buyers < ordersUntil) &&
    (task.sellsOut || buyers + batchOrders <= ordersMax)
  ) {
    const from = buyers;
    buyers += batchOrders;
    const requests: OrderRequest[] = new Array(batchOrders);
    for (let i = 0; i < batchOrders; i++) requests[i] = requestOf(from + i);
    book(await desk.placeMany(requests), from);
  }
}

function timeRequests(from: number): number {
  let chars = 0;
  const startedMs = performance.now();
  for (let i = 0; i < requestsTimed; i++) chars += requestOf(from + i).buyer.charCodeAt(1);
  const spentMs = performance.now() - startedMs;
  if (chars === 0) throw new Error('no request was made');
  return (spentMs * 1e6) / requestsTimed;
}

async function run({ runMs, ordersMin, ordersMax }: ProducerRun): Promise<ProducerReport> {
  const before = buyers;
  const startedMs = monotonicMs();
  const untilMs = performance.now() + runMs;
  await Promise.all(
    Array.from({ length: batchesInFlight }, () => place(untilMs, before + ordersMin, ordersMax)),
  );
  const endedMs = monotonicMs();
  if (defects.length > 0) throw new Error('a reply could not be handled', { cause: defects[0] });
  return { startedMs, endedMs, orders: buyers - before, accepted, asked };
}

parentPort!.on('message', (message: ProducerOrder) => {
  if (message === 'end') {
    dispatcher.close();
    parentPort!.close();
    return;
  }
  void run(message).then((report) => parentPort!.postMessage(report));
});
timeRequests(0);
// Twice: the first time it is not compiled yet.
parentPort!.postMessage({ requestNs: timeRequests(requestsTimed) } satisfies ProducerReady);
