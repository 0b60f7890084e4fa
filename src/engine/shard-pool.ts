/**
 * The shards' supervisor: a Piscina pool with one never-ending task per worker. Runs on the thread that started the
 * engine. Requests never pass through the pool; rings carry those.
 */
import { Piscina } from 'piscina';
import { LeiniaoError } from '../errors.js';
import { ShardState, ThreadTable } from '../memory/thread-table.js';
import type { ShardEnd, ShardTask } from '../shard/service.js';

/** Belt to the notification's braces while waiting for a shard to open. */
const openPollMs = 200;

export class ShardPool {
  readonly #pool: Piscina<ShardTask, ShardEnd>;
  readonly #tasks: readonly Promise<void>[];
  readonly #threads: ThreadTable;
  readonly #shards: number;
  #closing = false;

  /**
   * @param onFailure told once of each shard that ends while it should run, and why
   */
  constructor(tasks: readonly ShardTask[], onFailure: (shard: number, error: unknown) => void) {
    const { memory } = tasks[0]!;
    this.#shards = tasks.length;
    this.#threads = new ThreadTable(memory.threads, memory.shards);
    this.#pool = new Piscina({
      filename: new URL('../shard/service.js', import.meta.url).href,
      minThreads: tasks.length,
      maxThreads: tasks.length,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      atomics: 'disabled',
    });
    // Without a listener Piscina's own report of a lost worker would end the process; the task's rejection tells it.
    this.#pool.on('error', () => undefined);
    this.#tasks = tasks.map(async (task) => {
      try {
        const end = await this.#pool.run(task);
        if (end.kind === 'not started') throw new LeiniaoError(end.code, end.message);
      } catch (error) {
        this.#threads.setState(task.shard, ShardState.failed);
        if (!this.#closing) onFailure(task.shard, error);
        throw error;
      }
    });
    // Waited for in `opened` and `close`; a rejection in between is not unhandled, it was reported above.
    for (const task of this.#tasks) task.catch(() => undefined);
  }

  /** Resolves when every shard has recovered. Rejects with the first failure. */
  async opened(): Promise<void> {
    await Promise.all(this.#tasks.map((task, shard) => this.#openedOne(task, shard)));
  }

  async #openedOne(task: Promise<void>, shard: number): Promise<void> {
    for (;;) {
      const state = this.#threads.state(shard);
      if (state === ShardState.open) return;
      if (state === ShardState.failed) await task.catch(throwStartError);
      await this.#threads.stateChanged(shard, state, openPollMs);
    }
  }

  /** Asks every shard to finish what it has, and waits until each has closed its store. */
  async close(): Promise<void> {
    this.#closing = true;
    for (let shard = 0; shard < this.#shards; shard++) this.#threads.requestStop(shard);
    await Promise.allSettled(this.#tasks);
    await this.#pool.destroy();
  }
}

function throwStartError(cause: unknown): never {
  if (cause instanceof LeiniaoError) throw cause;
  throw new LeiniaoError('shard_failed', `a shard could not start: ${(cause as Error).message}`, { cause });
}
