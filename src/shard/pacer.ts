/**
 * Keeps a shard that recovers beside others from taking a core off them: it works in short pieces and pauses as long as
 * each of them took, within a bound. Only where there are more busy threads than cores. In the shard's thread.
 */
import { availableParallelism } from 'node:os';
import { monotonicMs } from '../clock.js';
import { limits } from '../config.js';
import { pauseThread } from '../memory/pause.js';

/** Cores that the threads beside the shards want: one for the acceptor. */
const otherThreads = 1;

export class Pacer {
  readonly #needed: boolean;
  /** When the piece began; undefined before the first. */
  #sinceMs: number | undefined = undefined;

  /** @param shards of the engine, all of which may be at work */
  constructor(shards: number) {
    this.#needed = availableParallelism() < shards + otherThreads;
  }

  /** To be called between two small pieces of work. */
  breathe(): void {
    if (!this.#needed) return;
    this.#sinceMs ??= monotonicMs();
    const workedMs = monotonicMs() - this.#sinceMs;
    if (workedMs < limits.recoveryPieceMs) return;
    pauseThread(Math.min(workedMs, limits.recoveryPauseMsMax));
    this.#sinceMs = monotonicMs();
  }
}
