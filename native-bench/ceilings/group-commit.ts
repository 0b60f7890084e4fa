/**
 * Ceiling of being durable: orders through leiniao's own store with durability `fsync`, by how many share a commit, beside
 * the same bytes written to a file of the same disk and flushed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ShardStore } from '#dist/store/shard-store.js';
import type { BenchRun, Contender } from '../harness/bench.js';
import { isInMemory } from '../harness/disk.js';
import type { Figure } from '../harness/report.js';
import { BareFile } from './bare-file.js';
import { OrderBatch } from './order-batch.js';
import { type Repeat, repeatFor, timeCalls } from './timing.js';

/** Orders of one commit. The last is as many as a shard takes. */
const batchSizes = [1, 16, 256, 4_096];
const overwrittenBytes = 4 * 1024 * 1024;
/** A fresh store or file makes its first pages, which later ones need not. */
const warmupCalls = 2;

const ways = {
  store: 'leiniao’s store',
  append: 'append and fdatasync',
  overwrite: 'overwrite and fdatasync',
} as const;
type Way = keyof typeof ways;
const everyWay = Object.keys(ways) as Way[];

function nameOf(way: Way, size: number): string {
  return `${ways[way]}, ${size.toLocaleString('en')} ${size === 1 ? 'order' : 'orders'}`;
}

const durability = 'fsync';
const storeOptions = { storeId: '00'.repeat(16), shard: 0, durability, flushDelayMs: 10 } as const;

/** Commits per second of a new store, in which every commit and order is found again afterwards. */
async function measureStore(path: string, orders: OrderBatch, repeat: Repeat): Promise<number> {
  let commits = 0;
  try {
    const store = await ShardStore.open({ ...storeOptions, path, existing: false }, () => undefined);
    let meanMs: number;
    let lastFlushMs: number;
    try {
      const timing = timeCalls(repeat, () => {
        orders.fill();
        const nowMs = Date.now();
        store.write(orders.batch, nowMs, nowMs);
        // As a shard does.
        if (nowMs >= store.flushAtMs) store.flush();
        commits += 1;
      });
      meanMs = timing.meanMs;
      lastFlushMs = msOf(() => store.flush());
    } finally {
      await store.close();
    }
    await verifyStore(path, commits, orders.orders);
    // What was still to be brought to LMDB is a part of what these commits take.
    return 1_000 / (meanMs + lastFlushMs / commits);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function msOf(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}

/** Opening reads every commit and follows the chain of hashes. */
async function verifyStore(path: string, commits: number, ordersOfEach: number): Promise<void> {
  let found = 0;
  const store = await ShardStore.open({ ...storeOptions, path, existing: true }, ({ count }) => {
    if (count !== ordersOfEach) throw new Error(`a commit has ${count} of ${ordersOfEach} orders`);
    found += 1;
  });
  await store.close();
  if (found !== commits) throw new Error(`${found} of ${commits} commits are in the journal`);
}

function measureFile(path: string, record: Buffer, roundBytes: number, repeat: Repeat): number {
  const file = new BareFile(path, record, roundBytes);
  try {
    const { meanMs } = timeCalls(repeat, () => file.write());
    file.verify();
    return 1_000 / meanMs;
  } finally {
    file.remove();
  }
}

function contendersOf(run: BenchRun, size: number): Contender[] {
  const orders = new OrderBatch(size);
  const record = orders.record();
  const repeat = { ...repeatFor(run.profile), warmupCalls };
  const file = join(run.folder, 'bare.bin');
  const measures: Record<Way, Contender['measure']> = {
    store: () => measureStore(join(run.folder, 'store'), orders, repeat),
    append: () => measureFile(file, record, 0, repeat),
    overwrite: () => measureFile(file, record, overwrittenBytes, repeat),
  };
  return everyWay.map((way) => ({ name: nameOf(way, size), measure: measures[way] }));
}

export async function measureGroupCommit(run: BenchRun): Promise<void> {
  if (run.profile.measures && isInMemory(run.folder)) {
    run.skip(
      'group commit',
      'the folder for temporary files is in memory, where a flush does nothing',
      'TMPDIR=/var/tmp npm run bench -- ceilings',
    );
    return;
  }
  const { figures } = await run.contest({
    ...{ name: 'group commit', unit: 'commits/s', better: 'higher' },
    contenders: batchSizes.flatMap((size) => contendersOf(run, size)),
    ratios: batchSizes.flatMap((size) => [
      { of: nameOf('store', size), to: nameOf('append', size) },
      { of: nameOf('store', size), to: nameOf('overwrite', size) },
    ]),
  });
  keepOrders(run, figures);
  run.note(
    'A commit of leiniao’s store fills and hashes a batch, and is flushed once, as one of a bare file is; ten times a second, ' +
      'and at the end, LMDB is brought up to it and flushes twice. A large commit goes there at once.',
  );
}

/** The same figures as orders per second, over the size of a batch. */
function keepOrders(run: BenchRun, figures: readonly Figure[]): void {
  const figureOf = (way: Way, size: number) => figures.find(({ name }) => name === nameOf(way, size))!;
  run.keep(
    { name: 'orders by group commits', unit: 'orders/s', better: 'higher' },
    Object.fromEntries(
      batchSizes.map((size) => {
        const name = nameOf('store', size);
        return [name, figureOf('store', size).rounds.map((rate) => rate * size)];
      }),
    ),
  );
  run.curves({
    name: 'durable orders by the size of a group commit',
    x: { label: 'orders a commit', scale: 'log' },
    y: { label: 'orders/s', scale: 'log' },
    lines: everyWay.map((way) => ({
      name: ways[way],
      points: batchSizes.map((size): [number, number] => [size, figureOf(way, size).median * size]),
    })),
  });
}
