/**
 * The journal of one shard as it is at one moment: its commits in order, verified against the hash chain, those of the
 * tail at the end. An engine may be writing to it meanwhile.
 */
import { join } from 'node:path';
import { LeiniaoError } from '../errors.js';
import { openSnapshot, type Snapshot } from '../store/lmdb-snapshot.js';
import { CannotAudit } from './cannot-audit.js';
import { Chain, type Commit, numberOf } from './chain.js';
import type { Entry } from './entry.js';
import type { EntryReader } from './entry-reader.js';
import { type Folder, shardPath } from './folder.js';
import { hasLater, readTail, type Tail, tornTailsIn } from './tail.js';
import { type Finding, Wrong, wrong } from './wrong.js';

export class ShardJournal {
  readonly shard: number;
  readonly chain: Chain;
  /** What is worth telling and not wrong. */
  readonly notes: string[] = [];
  /** Commits that stand in the tail only. */
  tailCommits = 0;
  readonly #snapshot: Snapshot<number>;
  readonly #tail: Tail;
  /** Whether it must have one: a folder that is being made may not have it yet. */
  readonly #hasTail: boolean;
  /** Where the reader is, for who has to say where something is wrong. */
  #commit = 0;
  #entry = 0;
  #type: string | undefined;

  private constructor(folder: Folder, shard: number, snapshot: Snapshot<number>, tail: Tail) {
    this.shard = shard;
    this.chain = new Chain(folder.storeId, shard);
    this.#hasTail = folder.complete;
    this.#snapshot = snapshot;
    this.#tail = tail;
  }

  /**
   * @throws LeiniaoError `data_dir_damaged` when the database is not whole, `data_dir_locked` when it is too busy,
   *   `data_dir_unwritable` when it cannot be read for now; CannotAudit when the tail is too busy
   */
  static async open(folder: Folder, shard: number): Promise<ShardJournal> {
    const path = shardPath(folder, shard);
    // The tail first: what leaves it afterwards is in the snapshot then.
    const tail = readTail(join(path, 'tail.bin'));
    const snapshot = await openSnapshot<number>(path, 'commits');
    try {
      const journal = new ShardJournal(folder, shard, snapshot, tail);
      for (const aside of tornTailsIn(path)) {
        journal.notes.push(
          `an earlier tail did not continue the chain to its end, and was put aside: ${aside}`,
        );
      }
      return journal;
    } catch (error) {
      await snapshot.close();
      throw error;
    }
  }

  /** How many commits there are, the tail's not counted. */
  get commitCount(): number {
    return this.#snapshot.count;
  }

  /** Every commit, in order. Each is valid until the next. Throws `Wrong`, or `LeiniaoError` for the database. */
  *commits(): Generator<Commit> {
    for (const { key, value } of this.#snapshot.records()) {
      this.#goTo(this.chain.number + 1);
      if (key !== this.chain.number + 1) wrong('it is missing');
      yield this.chain.follow(value);
    }
    yield* this.#tailCommits();
  }

  *#tailCommits(): Generator<Commit> {
    const tail = this.#tail;
    if (tail.problem !== undefined && this.#hasTail) {
      this.#goTo(this.chain.number + 1);
      wrong(`it may have been in tail.bin, which ${tail.problem}`);
    }
    let isTorn = !tail.ends;
    for (const record of tail.records) {
      if (numberOf(record) <= this.chain.number) continue;
      this.#goTo(this.chain.number + 1);
      let commit: Commit;
      try {
        commit = this.chain.follow(record);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        isTorn = true;
        break;
      }
      this.tailCommits += 1;
      yield commit;
    }
    const { number } = this.chain;
    this.#goTo(number + 1);
    if (tail.flushed && hasLater(tail, number + 1)) wrong('the tail cannot give it, and has later ones');
    if (!isTorn && !hasLater(tail, number)) return;
    this.notes.push(
      `the tail ends after commit ${number}: what follows does not continue the chain (as after a power cut: durability ` +
        '"fsync" has not acknowledged it yet, and "commit" does not promise to survive one)',
    );
  }

  /** Hands every entry of a commit to `visit`. */
  readEntries(commit: Commit, reader: EntryReader, visit: (entry: Entry) => void): void {
    reader.open(commit.words, commit.bytes, commit.from, commit.end);
    for (let i = 1; i <= commit.count; i++) {
      this.#entry = i;
      this.#type = reader.nextType;
      visit(reader.next());
    }
    this.#entry = 0;
    if (!reader.atEnd) wrong('it has more words than its entries take');
  }

  #goTo(commit: number): void {
    this.#commit = commit;
    this.#entry = 0;
    this.#type = undefined;
  }

  /**
   * What an exception while reading says of the journal. Exceptions that say nothing of it are thrown again.
   *
   * @throws CannotAudit where the database could not be read for now
   */
  findingOf(error: unknown): Finding {
    const { shard } = this;
    if (error instanceof LeiniaoError) {
      if (error.code !== 'data_dir_damaged') throw new CannotAudit(error.message, { cause: error });
      return { shard, text: error.message };
    }
    if (!(error instanceof Wrong)) throw error;
    return {
      shard,
      commit: this.#commit,
      ...(this.#entry === 0 ? {} : { entry: this.#entry }),
      ...(this.#entry === 0 || this.#type === undefined ? {} : { type: this.#type }),
      text: error.message,
    };
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }
}
