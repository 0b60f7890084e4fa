/**
 * A shard's store under the three durabilities: `write` seals the batch and makes it as durable as an
 * acknowledgement under this mode claims, in the journal's tail; `flush` brings what gathered there to LMDB, in one
 * transaction. Owned by the shard's thread.
 */
import { join } from 'node:path';
import { type Durability, limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import type { Batch } from './batch.js';
import { commitLayout, hashBytes } from './batch.js';
import { type Commit, follow } from './chain.js';
import { Journal, roomFor } from './journal.js';
import { hasRoom, requireDatabase, requireRoom } from './lmdb.js';
import { PendingRecords } from './pending.js';
import { putTailAside, requireTail, TailFile, tailFile } from './tail.js';
import { holdsLater, numberOf, type TailContent } from './tail-content.js';

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

/** What is open of a store. */
interface Files {
  readonly path: string;
  readonly journal: Journal;
  readonly tail: TailFile;
  /** What is in the tail and not in LMDB. */
  readonly pending: PendingRecords;
  /** Whether `write` waits for the disk. */
  readonly flushes: boolean;
  /** The longest that a record is in the tail only. */
  readonly flushDelayMs: number;
}

export class ShardStore {
  readonly #files: Files | undefined;
  #flushAtMs = Number.POSITIVE_INFINITY;

  private constructor(files: Files | undefined) {
    this.#files = files;
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
    const { path, storeId, shard, durability } = options;
    if (durability === 'memory') {
      whenRead(0);
      return new ShardStore(undefined);
    }
    if (options.existing) {
      requireDatabase(path);
      requireTail(path);
    }
    const journal = await Journal.open({ path, storeId, shard, visit });
    try {
      takeIn(journal, path, visit, whenRead);
      const pending = new PendingRecords();
      const flushes = durability === 'fsync';
      const flushDelayMs = flushes ? limits.tailDelayMs : options.flushDelayMs;
      const tail = TailFile.create(join(path, tailFile), durability);
      return new ShardStore({ path, journal, tail, pending, flushes, flushDelayMs });
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Time of the newest commit, ms since the epoch; 0 for none. */
  get lastTimeMs(): number {
    return this.#files?.journal.head.timeMs ?? 0;
  }

  /** Whether `write` waits for the disk. */
  get flushes(): boolean {
    return this.#files?.flushes ?? false;
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
    if (this.#files !== undefined) {
      const { head } = this.#files.journal;
      const record = batch.seal(head.number + 1, timeMs, head.nextSequence, head.hash);
      this.#store(this.#files, record, clockMs);
      head.number += 1;
      head.nextSequence += batch.count;
      head.timeMs = timeMs;
      head.hash = Buffer.from(record.subarray(commitLayout.hash * 4, commitLayout.hash * 4 + hashBytes));
    }
    batch.clear();
  }

  /** Stores the record that comes after the journal's head. */
  #store(files: Files, record: Uint8Array, clockMs: number): void {
    const { path, tail, pending, flushes, flushDelayMs } = files;
    if (flushes && record.length > limits.flushedRecordBytesMax) {
      this.#toLmdb(files, [...pending.records, record]);
      return;
    }
    // The tail may have to grow, and later LMDB has to take all of it. Where others have taken the room by then, it stays in
    // the tail, and the shard is closed until there is room again.
    const room = () => pending.roomBytes + roomFor(record) + tail.growthFor(record);
    if (tail.bytesWith(record) > limits.tailBytesMax || !hasRoom(path, room())) {
      this.flush();
      requireRoom(path, room());
    }
    tail.append(record);
    pending.add(record);
    this.#flushAtMs = Math.min(this.#flushAtMs, clockMs + flushDelayMs);
  }

  /** Brings what waits in the tail to LMDB. */
  flush(): void {
    if (this.#files === undefined) return;
    const { records } = this.#files.pending;
    if (records.length > 0) this.#toLmdb(this.#files, records);
  }

  /** @param records those that wait, and what comes after them */
  #toLmdb({ journal, tail, pending }: Files, records: readonly Uint8Array[]): void {
    journal.append(journal.head.number - pending.records.length + 1, records);
    pending.clear();
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    // Only now: a crash between the two leaves records that are in LMDB already, and recovery skips those.
    tail.clear();
  }

  /** Brings everything to LMDB and closes. */
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
      this.#files?.tail.close();
    } finally {
      await this.#files?.journal.close();
    }
  }
}

/** Takes what the tail in a shard's folder has into the journal. */
function takeIn(
  journal: Journal,
  path: string,
  visit: (commit: Commit) => void,
  whenRead: (lastTimeMs: number) => void,
): void {
  const firstNumber = journal.head.number + 1;
  const content = TailFile.read(join(path, tailFile));
  const { records, whole } = content === undefined ? none : followTail(journal, content, visit);
  if (content?.durability === 'fsync') requireNoneLater(content, path, journal.head.number + 1);
  whenRead(journal.head.timeMs);
  if (records.length > 0) journal.append(firstNumber, records);
  // Orders may have been acknowledged that are not in the journal: whoever looks for them should find what there is.
  if (!whole) putTailAside(path, journal.head.number + 1);
}

/** What a tail gives. */
interface Followed {
  readonly records: readonly Buffer[];
  /** Whether it has no more. */
  readonly whole: boolean;
}

/** A store that was never opened before has no tail. */
const none: Followed = { records: [], whole: true };

/** The tail's records that LMDB lacks, up to the first that does not continue the chain, and whether that is all it has. */
function followTail({ head }: Journal, content: TailContent, visit: (commit: Commit) => void): Followed {
  const firstNumber = head.number + 1;
  const followed: Buffer[] = [];
  for (const record of content.records) {
    if (numberOf(record) < firstNumber) continue;
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
  return { records: followed, whole: content.ends && !holdsLater(content, head.number) };
}

/**
 * Checks that no commit of durability `fsync` comes after one that is not there: whoever wrote it had acknowledged the one
 * before. Of the last one that cannot be told. It is torn where it was being written, and nobody was told of it then.
 *
 * @throws LeiniaoError `data_dir_damaged`
 */
function requireNoneLater(content: TailContent, path: string, missing: number): void {
  if (!holdsLater(content, missing)) return;
  const message = `${join(path, tailFile)}: commit ${missing} cannot be read, and later ones are there`;
  throw new LeiniaoError('data_dir_damaged', message);
}
