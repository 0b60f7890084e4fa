/**
 * Fills a shard, then lets it fail while the other one sells. Every round has shards of its own, because the pause before a
 * shard is started again grows with every failure in a row.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { serveMeasurement } from '../harness/child-end.js';
import { percentile } from '../harness/statistics.js';
import { TwoShards } from './two-shards.js';

export interface RestartSettings {
  readonly folder: string;
  /** Of the shard that fails. */
  readonly orders: number;
  /** Orders that are under way at a time on the other shard. */
  readonly concurrency: number;
  /** How long the other shard sells before the failure. */
  readonly quietMs: number;
}

export interface RestartRound {
  readonly openMs: number;
  readonly p99BeforeMs: number;
  readonly p99MeanwhileMs: number;
  /** How many orders `p99MeanwhileMs` is of. */
  readonly ordersMeanwhile: number;
}

const batchCountMax = 50_000;
const openMsMax = 60_000;

async function fill({ desk }: TwoShards, orders: number): Promise<void> {
  for (let from = 0; from < orders; from += batchCountMax) {
    const length = Math.min(batchCountMax, orders - from);
    const outcomes = await desk.placeMany(
      Array.from({ length }, (_, i) => ({
        ...{ sale: 's', sku: 'large', buyer: `b-${from + i}`, idempotencyKey: `k-${from + i}` },
      })),
    );
    if (outcomes.accepted !== length) throw new Error(`only ${outcomes.accepted} of ${length} accepted`);
  }
}

/** Milliseconds that single orders for the healthy shard take, until `ended` says that it is enough. */
async function sell(
  { desk }: TwoShards,
  { name, concurrency }: { readonly name: string; readonly concurrency: number },
  ended: () => boolean,
): Promise<number[]> {
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

async function fail(shards: TwoShards, { orders, concurrency, quietMs }: RestartSettings) {
  const quietUntilMs = performance.now() + quietMs;
  const before = await sell(shards, { name: 'before', concurrency }, () => performance.now() >= quietUntilMs);
  const startedMs = performance.now();
  let openMs: number | undefined;
  void shards.fail().then(() => {
    openMs = performance.now() - startedMs;
  });
  const enough = () => openMs !== undefined || performance.now() > startedMs + openMsMax;
  const meanwhile = await sell(shards, { name: 'meanwhile', concurrency }, enough);
  if (openMs === undefined) {
    throw new Error(`the shard was not open again after ${openMsMax} ms`, { cause: shards.defects[0] });
  }
  check(shards, { large: orders, healthy: before.length + meanwhile.length });
  return {
    openMs,
    p99BeforeMs: percentile(before, 0.99),
    p99MeanwhileMs: percentile(meanwhile, 0.99),
    ordersMeanwhile: meanwhile.length,
  };
}

/** Every order that was accepted is there, and nothing else went wrong. */
function check(shards: TwoShards, orders: Readonly<Record<string, number>>): void {
  if (shards.defects.length > 0) throw new Error('there were defects', { cause: shards.defects[0] });
  for (const [sku, count] of Object.entries(orders)) {
    const held = shards.heldOf(sku);
    if (held !== count) throw new Error(`${held} units of ${sku} are held after ${count} orders`);
  }
}

async function measure(settings: RestartSettings, round: number): Promise<RestartRound> {
  const dataDir = join(settings.folder, `round-${round}`);
  const shards = new TwoShards(dataDir);
  try {
    await shards.open();
    await fill(shards, settings.orders);
    return await fail(shards, settings);
  } finally {
    await shards.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await serveMeasurement((settings: RestartSettings) => ({
  measure: (round) => measure(settings, round),
  close: () => undefined,
}));
