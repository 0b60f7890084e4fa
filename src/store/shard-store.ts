/**
 * A shard's store under the three durabilities: `write` seals the batch and makes it as durable as an
 * acknowledgement under this mode claims. Owned by the shard's thread.
 */
import { join } from 'node:path';
import { type Durability, limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import type { Batch } from './batch.js';
import { commitLayout, hashBytes } from './batch.js';
import { type Commit, follow } from './chain.js';
import { Journal } from './journal.js';
import { requireDatabase } from './lmdb.js';
import { putTailAside, type TailContent, TailFile, tailFile } from './tail.js';

export interface ShardStoreOptions {
  /** The shard's folder. */
  readonly path: string;
  readonly storeId: string;
  readonly shard: number;
  readonly durability: Durability;
  /** Whether the store was there before: then one that is missing is lost, and never made anew. */
  readonly existing: boolean;
  /** With durability `commit`: the longest a record waits for the disk. */
  readonly flushDelayMs: number;
}

export class ShardStore {
  readonly #journal: Journal | undefined;
  readonly #tail: TailFile | undefined;
  readonly #flushDelayMs: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #flushAtMs = Number.POSITIVE_INFINITY;

  private constructor(journal: Journal | undefined, tail: TailFile | undefined, flushDelayMs: number) {
    this.#journal = journal;
    this.#tail = tail;
    this.#flushDelayMs = flushDelayMs;
  }

  /**
   * Opens the store and hands every commit to `visit`, the tail's included. With durability `memory` there is
   * nothing to open.
   *
   * @param whenRead called when all has been read, before what the tail has is written to where it belongs, with the time
   *   of the newest commit, ms since the epoch, or 0 for none
   * @throws LeiniaoError `data_dir_damaged`, or what `openEnvironment` throws; what `visit` or `whenRead` throws
   */
  static async open(
    options: ShardStoreOptions,
    visit: (commit: Commit) => void,
    whenRead: (lastTimeMs: number) => void = () => undefined,
  ): Promise<ShardStore> {
    if (options.durability === 'memory') {
      whenRead(0);
      return new ShardStore(undefined, undefined, 0);
    }
    const { path, storeId, shard } = options;
    if (options.existing) requireDatabase(path);
    const journal = await Journal.open({ path, storeId, shard, visit });
    try {
      return withTail(journal, options, visit, whenRead);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** @internal */
  static of(journal: Journal, tail: TailFile | undefined, flushDelayMs: number): ShardStore {
    return new ShardStore(journal, tail, flushDelayMs);
  }

  /** Time of the newest commit, ms since the epoch; 0 for none. */
  get lastTimeMs(): number {
    return this.#journal?.head.timeMs ?? 0;
  }

  /** Whether `write` waits for the disk. */
  get flushes(): boolean {
    return this.#journal !== undefined && this.#tail === undefined;
  }

  /** When `flush` is due, by the clock that `write` was given; `Infinity` when nothing waits. */
  get flushAtMs(): number {
    return this.#flushAtMs;
  }

  /**
   * Seals and stores a batch that holds at least one entry, and clears it. When it returns, the batch is on disk
   * (`fsync`), with the operating system (`commit`) or forgotten (`memory`).
   *
   * @param timeMs the batch's time, which never steps back
   * @param clockMs the running clock, which is behind `timeMs` when the clock was set back before the start
   * @throws whatever the disk reports: the shard must stop, and never try again in place
   */
  write(batch: Batch, timeMs: number, clockMs: number): void {
    const journal = this.#journal;
    if (journal !== undefined) {
      const { head } = journal;
      const record = batch.seal(head.number + 1, timeMs, head.nextSequence, head.hash);
      if (this.#tail === undefined) {
        journal.append(head.number + 1, [record]);
      } else {
        this.#tail.append(record);
        this.#pending.push(Uint8Array.prototype.slice.call(record));
        this.#pendingBytes += record.length;
        this.#flushAtMs = Math.min(this.#flushAtMs, clockMs + this.#flushDelayMs);
      }
      head.number += 1;
      head.nextSequence += batch.count;
      head.timeMs = timeMs;
      head.hash = Buffer.from(record.subarray(commitLayout.hash * 4, commitLayout.hash * 4 + hashBytes));
      if (this.#pendingBytes >= limits.storePendingBytesMax) this.flush();
    }
    batch.clear();
  }

  /** Brings what waits in the tail to disk. */
  flush(): void {
    const journal = this.#journal;
    if (journal === undefined || this.#tail === undefined || this.#pending.length === 0) return;
    journal.append(journal.head.number - this.#pending.length + 1, this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    // Only now: a crash between the two leaves records that are in LMDB already, and recovery skips those.
    this.#tail.clear();
  }

  /** Brings everything to disk and closes. */
  async close(): Promise<void> {
    try {
      this.flush();
    } finally {
      await this.abandon();
    }
  }

  /** Closes without writing anything more: after a failure, what is on disk is what recovery has to start from. */
  async abandon(): Promise<void> {
    try {
      this.#tail?.close();
    } finally {
      await this.#journal?.close();
    }
  }
}

/** Takes in what the tail has, and opens it anew where this durability writes one. */
function withTail(
  journal: Journal,
  { path, durability, flushDelayMs }: ShardStoreOptions,
  visit: (commit: Commit) => void,
  whenRead: (lastTimeMs: number) => void,
): ShardStore {
  const tailPath = join(path, tailFile);
  const firstNumber = journal.head.number + 1;
  const { records, whole } = followTail(journal, TailFile.read(tailPath), visit);
  whenRead(journal.head.timeMs);
  if (records.length > 0) journal.append(firstNumber, records);
  // Orders may have been acknowledged that are not in the journal: whoever looks for them should find what there is.
  if (!whole) putTailAside(path, journal.head.number + 1);
  const tail = new TailFile(tailPath);
  tail.clear();
  if (durability === 'commit') return ShardStore.of(journal, tail, flushDelayMs);
  tail.close();
  return ShardStore.of(journal, undefined, 0);
}

/** The tail's records that LMDB lacks, up to the first that does not continue the chain, and whether that is all it has. */
function followTail(
  { head }: Journal,
  { records, tornBytes }: TailContent,
  visit: (commit: Commit) => void,
): { readonly records: readonly Buffer[]; readonly whole: boolean } {
  const firstNumber = head.number + 1;
  const followed: Buffer[] = [];
  for (const record of records) {
    if (record.readUInt32LE(commitLayout.number * 4) < firstNumber) continue;
    let commit: Commit;
    try {
      commit = follow(head, record);
    } catch (error) {
      // Torn by a power cut: what follows was never promised to survive one.
      if (!(error instanceof LeiniaoError)) throw error;
      return { records: followed, whole: false };
    }
    visit(commit);
    followed.push(record);
  }
  return { records: followed, whole: tornBytes === 0 };
}
