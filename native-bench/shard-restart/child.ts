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
  /** Orders that are under way at a time on the other shard, to find out how many it can take. */
  readonly concurrency: number;
  /** How long that takes, and how long the other shard then sells before the failure. */
  readonly quietMs: number;
}

export interface RestartRound {
  readonly openMs: number;
  /** Of the open loop: orders per second. */
  readonly rate: number;
  readonly p99BeforeMs: number;
  readonly p99MeanwhileMs: number;
  readonly longestBeforeMs: number;
  readonly longestMeanwhileMs: number;
  /** How many orders `p99MeanwhileMs` is of. */
  readonly ordersMeanwhile: number;
}

const batchCountMax = 50_000;
const openMsMax = 60_000;
/** A sleep between two looks at what is due; the kernel adds some 50 µs to it. */
const napMs = 0.01;
const nobody = new Int32Array(new SharedArrayBuffer(4));

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

/** Single orders for the healthy shard, so many at a time. Returns orders per second. */
async function closedLoop({ desk }: TwoShards, { concurrency, quietMs }: RestartSettings): Promise<number> {
  const startedMs = performance.now();
  let placed = 0;
  const buyer = async (): Promise<void> => {
    while (performance.now() - startedMs < quietMs) await healthyOrder(desk, `closed-${placed++}`);
  };
  await Promise.all(Array.from({ length: concurrency }, buyer));
  return (placed / (performance.now() - startedMs)) * 1_000;
}

/**
 * Single orders for the healthy shard at a steady rate, whether those before them were answered or not. Returns the
 * milliseconds that each took, from when it was due: an order that had to wait until it was sent has waited.
 */
function openLoop({ desk }: TwoShards, name: string, rate: number, ended: () => boolean): Promise<number[]> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  let sent = 0;
  return new Promise((resolve, reject) => {
    const send = (dueMs: number) => {
      healthyOrder(desk, `${name}-${sent++}`).then(() => {
        latencies.push(performance.now() - dueMs);
        if (latencies.length === sent && ended()) resolve(latencies);
      }, reject);
    };
    const pace = () => {
      for (;;) {
        const dueMs = startedMs + (sent / rate) * 1_000;
        if (performance.now() < dueMs || ended()) break;
        send(dueMs);
      }
      if (ended()) {
        if (latencies.length === sent) resolve(latencies);
        return;
      }
      // A timer would wake us up once a millisecond at best; who never sleeps keeps a core from the shards.
      Atomics.wait(nobody, 0, 0, napMs);
      setImmediate(pace);
    };
    pace();
  });
}

async function healthyOrder(desk: TwoShards['desk'], buyer: string): Promise<void> {
  const outcome = await desk.place({ sale: 's', sku: 'healthy', buyer });
  if (!outcome.ok) throw new Error(`the healthy shard refused: ${outcome.code}`);
}

async function fail(shards: TwoShards, settings: RestartSettings): Promise<RestartRound> {
  const { orders, quietMs } = settings;
  const rate = (await closedLoop(shards, settings)) / 2;
  const closed = shards.heldOf('healthy');
  const quietUntilMs = performance.now() + quietMs;
  const before = await openLoop(shards, 'before', rate, () => performance.now() >= quietUntilMs);
  const startedMs = performance.now();
  let openMs: number | undefined;
  void shards.fail().then(() => {
    openMs = performance.now() - startedMs;
  });
  const enough = () => openMs !== undefined || performance.now() > startedMs + openMsMax;
  const meanwhile = await openLoop(shards, 'meanwhile', rate, enough);
  if (openMs === undefined) {
    throw new Error(`the shard was not open again after ${openMsMax} ms`, { cause: shards.defects[0] });
  }
  check(shards, { large: orders, healthy: closed + before.length + meanwhile.length });
  return {
    ...{ openMs, rate },
    ...{ p99BeforeMs: percentile(before, 0.99), p99MeanwhileMs: percentile(meanwhile, 0.99) },
    ...{ longestBeforeMs: percentile(before, 1), longestMeanwhileMs: percentile(meanwhile, 1) },
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
