/**
 * The Piscina entry: one never-ending task per shard. It recovers the shard from its store, opens it, runs the
 * loop until the engine asks it to stop, and closes the store.
 */
import { threadId } from 'node:worker_threads';
import { type ClockOrigin, clockFrom } from '../clock.js';
import { type Durability, limits } from '../config.js';
import { LeiniaoError, type StartErrorCode } from '../errors.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { ShardState as Lifecycle, ThreadTable } from '../memory/thread-table.js';
import { openShard } from './open-shard.js';
import { Pacer } from './pacer.js';

/** What the engine hands to a shard. Structured-cloneable. */
export interface ShardTask {
  readonly shard: number;
  readonly memory: SharedMemory;
  readonly clock: ClockOrigin;
  readonly durability: Durability;
  readonly ordersMax: number;
  readonly storePath: string;
  /** Whether this shard has been open before. */
  readonly restarted: boolean;
  readonly storeId: string;
  readonly flushDelayMs: number;
}

/**
 * How a shard's task ended. What it could say of its failure is a value, because an error that crosses threads keeps its
 * message but not its code.
 */
export type ShardEnd =
  | { readonly kind: 'stopped' }
  | {
      readonly kind: 'failed';
      /** Undefined for what has none, such as a disk that failed to be read. */
      readonly code: StartErrorCode | undefined;
      readonly message: string;
      /** Where it came from, as a stack. */
      readonly origin: string;
      /**
       * The thread's id where it may take no further task: LMDB's binding keeps an environment that it failed to open, and
       * gives it to whoever opens it next in this process, for as long as that thread lives.
       */
      readonly spentThread: number | undefined;
    };

/** The engine asked for a stop before the shard was open. */
class StopRequested extends Error {}

/**
 * Runs one shard to its end. An end that has a code, such as a disk that is full, is a value; rejects with whatever else
 * ended it.
 */
export default async function runShard(task: ShardTask): Promise<ShardEnd> {
  const threads = new ThreadTable(task.memory.threads, task.memory.shards);
  try {
    await serveShard(task, threads);
    return { kind: 'stopped' };
  } catch (error) {
    if (error instanceof StopRequested) {
      threads.setState(task.shard, Lifecycle.stopped);
      return { kind: 'stopped' };
    }
    const opened = threads.state(task.shard) === Lifecycle.open;
    if (opened && !(error instanceof LeiniaoError)) throw error;
    const failure = error as Error;
    return {
      ...{ kind: 'failed', code: failure instanceof LeiniaoError ? failure.code : undefined },
      ...{ message: failure.message, origin: originOf(failure), spentThread: opened ? undefined : threadId },
    };
  }
}

function originOf(error: Error): string {
  const { cause } = error;
  return (cause instanceof Error ? cause.stack : undefined) ?? error.stack ?? error.message;
}

/**
 * Waits until every part of the data folder has been read: one that is damaged ends the start, and the others are to be
 * left as they were. What is due is only written then.
 */
function awaitOthers(shard: number, threads: ThreadTable): void {
  threads.setState(shard, Lifecycle.recovered);
  while (!threads.awaitMayWrite(shard, limits.shardOpenPollMs)) {
    if (threads.stopRequested(shard)) throw new StopRequested();
  }
}

async function serveShard(task: ShardTask, threads: ThreadTable): Promise<void> {
  const { shard, memory, storeId, durability, restarted, flushDelayMs, ordersMax } = task;
  const pacer = restarted ? new Pacer(memory.shards) : undefined;
  const { loop, store } = await openShard({
    memory,
    store: { path: task.storePath, storeId, shard, durability, existing: restarted, flushDelayMs },
    ordersMax,
    clock: clockFrom(task.clock),
    betweenCommits: () => {
      if (threads.stopRequested(shard)) throw new StopRequested();
      pacer?.breathe();
    },
    recovered: restarted ? undefined : () => awaitOthers(shard, threads),
  });
  try {
    loop.run();
  } catch (error) {
    // A store that failed may be in any state in memory: what it has on disk is the truth.
    await store.abandon().catch((second: unknown) => {
      throw new AggregateError([error, second], `${(error as Error).message}; ${(second as Error).message}`);
    });
    throw error;
  }
  threads.setState(shard, Lifecycle.stopped);
  await store.close();
}
