/** A shard's real store, with failures where the simulation asks for them. */
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { LoopStore } from '#dist/shard/loop.js';
import type { Batch } from '#dist/store/batch.js';
import type { ShardStore } from '#dist/store/shard-store.js';
import { TailFile, tailFile } from '#dist/store/tail.js';
import { numberOf } from '#dist/store/tail-content.js';
import { type Failure, InjectedFault } from './world.js';

/**
 * `before`: nothing of the batch gets anywhere. `after`: it is stored, and its shard dies before it can say so. `torn`:
 * the end of its record is missing.
 */
export type StoreFault = 'before' | 'after' | 'torn';

/** A commit record's head: no more is torn off, so that the records before it are whole. */
export const tornBytesMax = 96;

export class FaultyStore implements LoopStore {
  readonly #store: ShardStore;
  readonly #path: string;
  readonly #onFailure: (failure: Failure) => void;
  /** What happens to the next write, or to the next flush, if there is one before the process is gone. */
  armed: StoreFault | undefined = undefined;
  /** How much of a torn record is missing, in bytes. */
  tornBytes = 1;
  /** Set once a fault has happened: then the shard is about to be gone. */
  #torn = false;

  /** @param onFailure told of a fault when it has done what it does */
  constructor(store: ShardStore, path: string, onFailure: (failure: Failure) => void) {
    this.#store = store;
    this.#path = path;
    this.#onFailure = onFailure;
  }

  get lastTimeMs(): number {
    return this.#store.lastTimeMs;
  }

  get flushes(): boolean {
    return this.#store.flushes;
  }

  get flushAtMs(): number {
    return this.#store.flushAtMs;
  }

  write(batch: Batch, timeMs: number, clockMs: number): void {
    this.#failing(() => this.#store.write(batch, timeMs, clockMs));
  }

  flush(): void {
    this.#failing(() => this.#store.flush());
  }

  #failing(act: () => void): void {
    const fault = this.armed;
    this.armed = undefined;
    if (fault === undefined) {
      act();
      return;
    }
    if (fault === 'before') {
      this.#onFailure('before faults');
      throw new InjectedFault('before the store was written');
    }
    const before = this.#newestInTail();
    act();
    // What did not go to the tail is stored as a whole, and its shard dies.
    this.#torn = fault === 'torn' && this.#newestInTail() > before;
    if (!this.#torn) this.#onFailure('after faults');
    throw new InjectedFault('after the store was written');
  }

  /** Number of the last commit in the tail; 0 for none. */
  #newestInTail(): number {
    const last = TailFile.read(join(this.#path, tailFile))!.records.at(-1);
    return last === undefined ? 0 : numberOf(last);
  }

  /** What is left when the shard, or the process around it, is gone. */
  async abandon(): Promise<void> {
    await this.#store.abandon();
    if (!this.#torn) return;
    const file = join(this.#path, tailFile);
    const { bytes, records } = TailFile.read(file)!;
    const last = records.at(-1)!;
    const end = last.byteOffset - bytes.byteOffset + last.length;
    truncateSync(file, end - Math.min(this.tornBytes, tornBytesMax));
    this.#onFailure('torn faults');
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
