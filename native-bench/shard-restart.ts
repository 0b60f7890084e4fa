/**
 * A shard that fails with many orders, beside one that goes on selling: how long until it is open again, and what the
 * other one's buyers notice. The parts are put together as the engine does it, so that a shard can be sent a command that
 * no engine would send, which ends it with an uncaught error.
 *
 *   node native-bench/build/shard-restart.js [--orders 1000000] [--rounds 5] [--concurrency 64]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { OrderDesk } from '#dist/acceptor/order-desk.js';
import { clockFrom, clockOrigin } from '#dist/clock.js';
import { SaleControl } from '#dist/engine/sale-control.js';
import { ShardPool } from '#dist/engine/shard-pool.js';
import { allocateSharedMemory } from '#dist/memory/shared-memory.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { Catalogue } from '#dist/sale/catalogue.js';
import { OrderIds } from '#dist/sale/order-id.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { summary } from './harness/statistics.js';

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '64' },
  },
});
const orders = Number(values.orders);
const rounds = Number(values.rounds);
const concurrency = Number(values.concurrency);
const shards = 2;
const ordersMax = 1 << 23;
const inFlightMax = 8_192;
const storeId = 'a'.repeat(32);
const quietMs = 2_000;
const reopenMsMax = 60_000;
const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));

const memory = allocateSharedMemory({ shards, acceptors: 1, inFlightMax, keysPerShardMax: ordersMax });
const origin = clockOrigin();
const clock = clockFrom(origin);
const defects: unknown[] = [];
const onDefect = (error: unknown) => defects.push(error);
const dispatcher = new Dispatcher({
  ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs: 5_000, clock, onDefect },
});
const catalogue = new Catalogue(shards);
const stock = new StockTable(memory.stock);
const control = new SaleControl({
  ...{ catalogue, dispatcher, stock, records: undefined, clock, onFailedWrite: onDefect },
});
let reopened = (): void => undefined;
const pool: ShardPool = new ShardPool({
  heapMiBMax: 1_024,
  tasks: Array.from({ length: shards }, (_, shard) => ({
    ...{ shard, memory, clock: origin, hashSeed: 7, durability: 'fsync' as const, ordersMax },
    ...{ storePath: join(dataDir, `shard-${shard}`), storeId },
    ...{ restarted: false, flushDelayMs: 10 },
  })),
  events: {
    failed: (shard) => dispatcher.abandon(shard),
    closedBadly: (_, error) => onDefect(error),
    reopened: (shard) => void control.retell(shard).then(() => reopened(), onDefect),
  },
});
const context = { dispatcher, catalogue, stock, ids: OrderIds.ofStore(storeId, shards), clock };
const desk = new OrderDesk(context);

/** Milliseconds that single orders for the healthy shard take, until `ended` says that it is enough. */
async function sell(name: string, ended: () => boolean): Promise<number[]> {
  const latencies: number[] = [];
  const buyer = async (lane: number): Promise<void> => {
    for (let i = 0; !ended(); i++) {
      const startedMs = performance.now();
      const outcome = await desk.place({ sale: 's', sku: 'healthy', buyer: `${name}-${lane}-${i}` });
      if (!outcome.ok) throw new Error(`the healthy shard refused: ${outcome.code}`);
      latencies.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, lane) => buyer(lane)));
  return latencies;
}

const p99 = (latencies: number[]): number =>
  latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;

try {
  process.stdout.write(`${machineLines(describeMachine()).join('\n')}\n\n`);
  await pool.opened();
  const skus = ['large', 'healthy'].map((sku) => ({ sku, stock: 2_000_000_000 }));
  await control.putSale('s', { holdSeconds: 86_400, skus });
  const sick = catalogue.get('s')!.skuById.get('large')!.shard;
  for (let from = 0; from < orders; from += 50_000) {
    const length = Math.min(50_000, orders - from);
    const outcomes = await desk.placeMany(
      Array.from({ length }, (_, i) => ({
        ...{ sale: 's', sku: 'large', buyer: `b-${from + i}`, idempotencyKey: `k-${from + i}` },
      })),
    );
    if (outcomes.accepted !== length) throw new Error(`only ${outcomes.accepted} of ${length} accepted`);
  }
  const spentMs: number[] = [];
  const before: number[] = [];
  const during: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const quietUntilMs = performance.now() + quietMs;
    before.push(p99(await sell(`before-${round}`, () => performance.now() >= quietUntilMs)));
    let open = false;
    const startedMs = performance.now();
    const reopening = new Promise<void>((done) => {
      reopened = () => {
        spentMs.push(performance.now() - startedMs);
        open = true;
        done();
      };
    });
    const sink = { settle: () => undefined };
    dispatcher.order(99 as never, sick, 0, sink, 0);
    const deadlineMs = performance.now() + reopenMsMax;
    during.push(p99(await sell(`during-${round}`, () => open || performance.now() > deadlineMs)));
    if (!open) throw new Error(`the shard was not open again after ${reopenMsMax} ms`, { cause: defects[0] });
    await reopening;
    const { held } = control.sku('s', 'large')!;
    if (held !== orders) throw new Error(`${held} of ${orders} orders are there again`);
    process.stdout.write(
      `round ${round}: open again after ${spentMs.at(-1)!.toFixed(0)} ms; p99 of the other shard ` +
        `${before.at(-1)!.toFixed(2)} ms before, ${during.at(-1)!.toFixed(2)} ms meanwhile\n`,
    );
  }
  process.stdout.write(`\nopen again      ${summary(spentMs)} ms, with ${orders} orders\n`);
  process.stdout.write(`p99 before      ${summary(before, 2)} ms, ${concurrency} at a time\n`);
  process.stdout.write(`p99 meanwhile   ${summary(during, 2)} ms\n`);
  if (defects.length > 0) throw new Error('there were defects', { cause: defects[0] });
} finally {
  await dispatcher.idle();
  await pool.close();
  rmSync(dataDir, { recursive: true, force: true });
}
