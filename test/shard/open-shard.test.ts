/** A shard as it is opened from its store, turned by hand: the largest batch there can be, and an opening that is called off. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { clockOrigin } from '../../dist/clock.js';
import { limits } from '../../dist/config.js';
import { replyLayout, requestLayout } from '../../dist/memory/layout.js';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { allocateSharedMemory } from '../../dist/memory/shared-memory.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { ShardState, ThreadTable } from '../../dist/memory/thread-table.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { SaleState } from '../../dist/sale/phase.js';
import { openShard } from '../../dist/shard/open-shard.js';
import runShard from '../../dist/shard/service.js';
import { type Define, hashSeed, type Request, writeRequest } from '../support/requests.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const folder = makeTempDir();
afterAll(() => removeTempDir(folder));

const startMs = 1_800_000_000_000;
const holdSeconds = 60;
const storeId = '0123456789abcdef0123456789abcdef';
const ordersMax = 1 << 15;

const sale: Define = {
  op: 'define',
  row: 0,
  sale: 1,
  revision: 1,
  total: ordersMax,
  limit: 0,
  holdSeconds,
  startsAtMs: 0,
  endsAtMs: Number.POSITIVE_INFINITY,
  state: SaleState.running,
  spread: false,
};

function storeOptions(path: string) {
  return { path, storeId, shard: 0, durability: 'fsync' as const, existing: false, flushDelayMs: 1 };
}

async function open(path: string) {
  const memory = allocateSharedMemory({
    ...{ shards: 1, acceptors: 1, inFlightMax: limits.batchCountMax, keysPerShardMax: ordersMax, hashSeed },
  });
  const clock = { nowMs: startMs };
  const { loop, store } = await openShard({
    ...{ memory, store: storeOptions(path), ordersMax, clock: () => clock.nowMs },
  });
  const requests = new RingProducer(memory.requests[0]![0]!, requestLayout.bytes);
  const replies = new RingConsumer(memory.replies[0]![0]!, replyLayout.bytes);
  /** Sends requests, at most a batch of them, has them answered in one turn, and returns the outcomes. */
  const turn = (sent: readonly Request[]): number[] => {
    for (const [slot, request] of sent.entries()) {
      writeRequest(requests, requests.claim(), request, slot, 1);
    }
    requests.publish();
    loop.turn();
    const count = replies.waiting();
    const outcomes = Array.from(
      { length: count },
      (_, i) => replies.words[replies.at(i) + replyLayout.outcome]!,
    );
    replies.release(count);
    return outcomes;
  };
  return { clock, memory, store, turn, stock: () => new StockTable(memory.stock).read(0) };
}

test('a wave of deadlines that meets a batch of late confirmations fits one commit', async () => {
  const { clock, store, turn, stock } = await open(join(folder, 'wave'));
  expect(turn([sale])).toEqual([Outcome.done]);
  const held = limits.expiriesPerBatchMax + limits.batchCountMax;
  for (let from = 0; from < held; from += limits.batchCountMax) {
    const orders = Array.from({ length: limits.batchCountMax }, (_, i): Request => {
      return { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, buyer: `u-${from + i}`, key: '' };
    });
    expect(new Set(turn(orders))).toEqual(new Set([Outcome.done]));
  }
  clock.nowMs += holdSeconds * 1_000;
  // Those that the wave does not get to: each is ended by its deadline, and takes its unit again.
  const late = Array.from({ length: limits.batchCountMax }, (_, i): Request => {
    return { op: 'confirm', number: limits.expiriesPerBatchMax + i };
  });
  expect(turn(late)).toEqual(late.map(() => Outcome.done));
  expect(stock()).toEqual({
    ...{ total: ordersMax, available: ordersMax - late.length, held: 0, confirmed: late.length },
  });
  await store.close();
  const again = await open(join(folder, 'wave'));
  expect(again.stock()).toMatchObject({ held: 0, confirmed: late.length });
  await again.store.close();
});

test('an opening is called off by a stop, however much is left to be read', async () => {
  const path = join(folder, 'stopped');
  const { store, turn } = await open(path);
  turn([sale]);
  await store.close();
  const memory = allocateSharedMemory({
    ...{ shards: 1, acceptors: 1, inFlightMax: limits.inFlightMin, keysPerShardMax: ordersMax, hashSeed },
  });
  const threads = new ThreadTable(memory.threads, 1);
  threads.requestStop(0);
  const end = await runShard({
    ...{ shard: 0, memory, clock: clockOrigin(), durability: 'fsync', ordersMax, storeId },
    ...{ storePath: path, restarted: true, flushDelayMs: 1 },
  });
  expect(end).toEqual({ kind: 'stopped' });
  expect(threads.state(0)).toBe(ShardState.stopped);
  expect(threads.lastTime(0)).toBe(0);
});
