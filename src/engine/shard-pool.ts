/**
 * The shards' supervisor: a Piscina pool with one never-ending task per worker. A shard that ends while it should run
 * is started again from its store, after a pause that grows with every failure in a row; one that cannot be recovered
 * stays closed, and the others never notice. Runs on the thread that started the engine. Requests never pass through
 * the pool; rings carry those.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { limits } from '../config.js';
import { LeiniaoError, type StartErrorCode } from '../errors.js';
import { ShardState, ThreadTable } from '../memory/thread-table.js';
import type { ShardEnd, ShardTask } from '../shard/service.js';

/** Failures that the next attempt would meet again: the folder, or an option, has to be mended first. */
const lasting: ReadonlySet<StartErrorCode> = new Set([
  'data_dir_damaged',
  'data_dir_version',
  'invalid_options',
]);

/** What the supervisor tells the engine, on its thread. */
export interface ShardEvents {
  /**
   * A shard has ended while it should run. Whatever waits for it has to be answered before this returns: its successor
   * passes over what it finds in the rings.
   *
   * @param retryMs when it is started again; undefined when it stays closed
   */
  failed(shard: number, error: Error, retryMs: number | undefined): void;
  /** A shard that had failed is open again. */
  reopened(shard: number): void;
  /** A shard failed as it was closed. What it had acknowledged is where its durability says. */
  closedBadly(shard: number, error: Error): void;
}

export class ShardPool {
  readonly #pool: Piscina<ShardTask, ShardEnd>;
  readonly #threads: ThreadTable;
  readonly #events: ShardEvents;
  readonly #shards: readonly Promise<void>[];
  /** By shard: why it is not open. */
  readonly #failures: (Error | undefined)[];
  /** Whether every shard has been open: before that a failure is the engine's failure to start. */
  #started = false;
  readonly #closing = new AbortController();

  /** @param options.heapMiBMax bounds the JavaScript heap of each shard's thread, in MiB */
  constructor(options: { tasks: readonly ShardTask[]; heapMiBMax: number; events: ShardEvents }) {
    const { tasks } = options;
    const { memory } = tasks[0]!;
    this.#events = options.events;
    this.#threads = new ThreadTable(memory.threads, memory.shards);
    this.#failures = new Array(tasks.length).fill(undefined);
    this.#pool = new Piscina({
      filename: new URL('../shard/service.js', import.meta.url).href,
      minThreads: tasks.length,
      maxThreads: tasks.length,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      atomics: 'disabled',
      resourceLimits: {
        maxOldGenerationSizeMb: options.heapMiBMax,
        maxYoungGenerationSizeMb: limits.shardYoungHeapMiB,
      },
    });
    // All of them may wait at the same time to be started again.
    setMaxListeners(tasks.length, this.#closing.signal);
    // Without a listener Piscina's own report of a lost worker would end the process; the task's rejection tells it.
    this.#pool.on('error', () => undefined);
    this.#shards = tasks.map((task) => this.#supervise(task));
  }

  /** Runs a shard, again and again, until the engine closes or it cannot be recovered. Never rejects. */
  async #supervise(task: ShardTask): Promise<void> {
    const { shard } = task;
    const { signal } = this.#closing;
    for (let failures = 0; ; ) {
      const life = { ended: false };
      if (failures > 0) void this.#watchOpening(shard, life);
      const startedAt = performance.now();
      const error = await this.#run(failures === 0 ? task : { ...task, restarted: true });
      life.ended = true;
      if (signal.aborted && error !== undefined) this.#events.closedBadly(shard, error);
      if (error === undefined || signal.aborted) return;
      failures = performance.now() - startedAt > limits.shardSteadyMs ? 1 : failures + 1;
      const retryMs = this.#started && canRecover(task, error) ? pauseMs(failures) : undefined;
      this.#failures[shard] = error;
      this.#threads.setState(shard, retryMs === undefined ? ShardState.failed : ShardState.recovering);
      if (this.#started) this.#events.failed(shard, error, retryMs);
      if (retryMs === undefined) return;
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    }
  }

  /** One life of a shard. Resolves to why it ended, or to undefined when it was asked to. */
  async #run(task: ShardTask): Promise<Error | undefined> {
    try {
      const end = await this.#pool.run(task);
      if (end.kind === 'stopped') return undefined;
      const { code, message, origin, spentThread } = end;
      if (spentThread !== undefined) await this.#endThread(spentThread);
      return code === undefined
        ? new Error(message, { cause: origin })
        : new LeiniaoError(code, message, { cause: origin });
    } catch (error) {
      return error as Error;
    }
  }

  /** Has a thread end, and the pool replace it. Resolves when that is so, or is not for too long. */
  async #endThread(threadId: number): Promise<void> {
    const thread = this.#pool.threads.find((one) => one.threadId === threadId);
    // Not by itself: its end could be seen before what it answered.
    await Promise.race([thread?.terminate(), sleep(limits.threadEndMsMax, undefined, { ref: false })]);
  }

  async #watchOpening(shard: number, life: { readonly ended: boolean }): Promise<void> {
    while (!life.ended) {
      const state = this.#threads.state(shard);
      if (state === ShardState.open) {
        this.#failures[shard] = undefined;
        this.#events.reopened(shard);
        return;
      }
      await this.#threads.stateChanged(shard, state, limits.shardOpenPollMs);
    }
  }

  /** Resolves when every shard has read all of its store, and none has written to it. Rejects with the first failure. */
  async recovered(): Promise<void> {
    await this.#all(ShardState.recovered);
  }

  /** Has every shard open, after `recovered`. Resolves when that is so. Rejects with the first failure. */
  async open(): Promise<void> {
    for (let shard = 0; shard < this.#failures.length; shard++) this.#threads.letWrite(shard);
    await this.#all(ShardState.open);
    this.#started = true;
  }

  async #all(wanted: ShardState): Promise<void> {
    await Promise.all(this.#failures.map((_, shard) => this.#reached(shard, wanted)));
    // One that was there may have failed while others were still on their way.
    for (const failure of this.#failures) if (failure !== undefined) throw startError(failure);
  }

  async #reached(shard: number, wanted: ShardState): Promise<void> {
    for (;;) {
      const state = this.#threads.state(shard);
      if (state === wanted) return;
      const failure = this.#failures[shard];
      if (failure !== undefined) throw startError(failure);
      // Another shard's failure has ended the start.
      if (this.#closing.signal.aborted) return;
      await this.#threads.stateChanged(shard, state, limits.shardOpenPollMs);
    }
  }

  /** Why shards are not open, a sentence each. */
  get closedBecause(): string[] {
    return this.#failures.flatMap((error, shard) =>
      error === undefined ? [] : [`shard ${shard}: ${error.message}`],
    );
  }

  /** Asks every shard to finish what it has, and waits until each has closed its store. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (let shard = 0; shard < this.#shards.length; shard++) this.#threads.requestStop(shard);
    await Promise.all(this.#shards);
    await this.#pool.destroy();
  }
}

/** Whether starting a shard again may help. */
function canRecover(task: ShardTask, error: Error): boolean {
  // Without a store a new start would sell its stock a second time.
  if (task.durability === 'memory') return false;
  return !(error instanceof LeiniaoError && lasting.has(error.code));
}

function pauseMs(failures: number): number {
  return Math.min(limits.shardRetryMsMax, limits.shardRetryMsMin * 2 ** (failures - 1));
}

function startError(cause: Error): LeiniaoError {
  if (cause instanceof LeiniaoError) return cause;
  return new LeiniaoError('shard_failed', `a shard could not start: ${cause.message}`, { cause });
}
