/**
 * The shards' supervisor: a Piscina pool with one never-ending task per worker. Runs on the thread that started the
 * engine. Requests never pass through the pool; rings carry those.
 */
import { Piscina } from 'piscina';
import { LeiniaoError } from '../errors.js';
import { ShardState, ThreadTable } from '../memory/thread-table.js';
import type { ShardTask } from '../shard/service.js';

/** Belt to the notification's braces while waiting for a shard to open. */
const openPollMs = 200;

export class ShardPool {
  readonly #pool: Piscina<ShardTask, void>;
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
    this.#tasks = tasks.map((task) =>
      this.#pool.run(task).catch((error: unknown) => {
        this.#threads.setState(task.shard, ShardState.failed);
        if (!this.#closing) onFailure(task.shard, error);
        throw error;
      }),
    );
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
      if (state === ShardState.failed)
        await task.catch((error: unknown) => Promise.reject(asStartError(error)));
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

/** A start error from a worker. Errors cross threads as plain ones, with their properties. */
function asStartError(error: unknown): LeiniaoError {
  const { code, message } = error as { code?: LeiniaoError['code']; message: string };
  const known = typeof code === 'string' && code.startsWith('data_dir_');
  return new LeiniaoError(known ? code : 'shard_failed', message, { cause: error });
}
