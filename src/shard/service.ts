/**
 * The Piscina entry: one never-ending task per shard. It recovers the shard from its store, opens it, runs the
 * loop until the engine asks it to stop, and closes the store.
 */
import { type ClockOrigin, clockFrom } from '../clock.js';
import { type Durability, durabilities } from '../config.js';
import { LeiniaoError, type StartErrorCode } from '../errors.js';
import { KeyTable } from '../memory/key-table.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { StockTable } from '../memory/stock-table.js';
import { ShardState as Lifecycle, ThreadTable } from '../memory/thread-table.js';
import { Batch } from '../store/batch.js';
import { ShardStore } from '../store/shard-store.js';
import { Commands } from './commands.js';
import { ShardLoop } from './loop.js';
import { Pacer } from './pacer.js';
import { applyCommit } from './recover.js';
import { ShardState } from './state.js';

/** What the engine hands to a shard. Structured-cloneable. */
export interface ShardTask {
  readonly shard: number;
  readonly memory: SharedMemory;
  readonly clock: ClockOrigin;
  readonly hashSeed: number;
  readonly durability: Durability;
  readonly ordersMax: number;
  readonly storePath: string;
  /** Whether this shard has been open before. */
  readonly restarted: boolean;
  readonly storeId: string;
  readonly flushDelayMs: number;
}

/**
 * How a shard's task ended. A start error is a value, because an error that crosses threads keeps its message but not
 * its code.
 */
export type ShardEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'not started'; readonly code: StartErrorCode; readonly message: string };

/** Runs one shard to its end. Rejects when its store fails, or by a defect of ours. */
export default async function runShard(task: ShardTask): Promise<ShardEnd> {
  try {
    await serveShard(task);
    return { kind: 'stopped' };
  } catch (error) {
    if (!(error instanceof LeiniaoError)) throw error;
    return { kind: 'not started', code: error.code, message: error.message };
  }
}

/** A journal whose orders contradict its counters is damaged, and stays so however often it is read. */
function requireExact(state: ShardState, shard: number): void {
  try {
    state.checkCounters();
  } catch (cause) {
    throw new LeiniaoError('data_dir_damaged', `shard ${shard}: ${(cause as Error).message}`, { cause });
  }
}

async function serveShard(task: ShardTask): Promise<void> {
  const { shard, memory } = task;
  const threads = new ThreadTable(memory.threads, memory.shards);
  threads.begin(shard);
  const tables = memory.keys.map((buffer) => new KeyTable(buffer, task.ordersMax));
  const state = new ShardState({
    ordersMax: task.ordersMax,
    keys: tables[shard]!,
    stock: new StockTable(memory.stock),
    hashSeed: task.hashSeed,
  });
  const pacer = task.restarted ? new Pacer(memory.shards) : undefined;
  const store = await ShardStore.open(
    {
      path: task.storePath,
      storeId: task.storeId,
      shard,
      durability: task.durability,
      existing: task.restarted,
      flushDelayMs: task.flushDelayMs,
    },
    (commit) => {
      applyCommit(state, commit);
      pacer?.breathe();
    },
  );
  try {
    requireExact(state, shard);
    const batch = task.durability === 'memory' ? undefined : new Batch();
    const commands = new Commands({
      state,
      batch,
      durability: durabilities.indexOf(task.durability),
      foreign: tables.flatMap((keys, other) =>
        other === shard
          ? []
          : [
              {
                keys,
                wholeSince: () => threads.keysWholeSince(other),
                isOpen: () => threads.state(other) === Lifecycle.open,
              },
            ],
      ),
    });
    const clock = clockFrom(task.clock);
    const loop = new ShardLoop({ shard, memory, state, commands, batch, store, clock });
    loop.discardOld();
    state.open();
    threads.setLastTime(shard, store.lastTimeMs);
    threads.setKeysWhole(shard);
    threads.setState(shard, Lifecycle.open);
    loop.run();
  } catch (error) {
    // A store that failed may be in any state in memory: what it has on disk is the truth.
    await store.abandon();
    throw error;
  }
  threads.setState(shard, Lifecycle.stopped);
  await store.close();
}
