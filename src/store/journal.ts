/** The journal of one shard: commit records in LMDB, by number, hash-chained. The shard's thread owns it. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { type ChainHead, type Commit, follow, genesisHash } from './chain.js';
import {
  databaseFile,
  type Environment,
  everyRecord,
  type NumberedRecords,
  openEnvironment,
  requireNewest,
  requireRoom,
  tableOptions,
} from './lmdb.js';
import { header, node, pageBytes } from './lmdb-layout.js';

/** Of a record in a page with others: its node, its key, its offset (mdb.c, node_size). */
const besideRecordBytes = node.bytes + 4 + 2;

/**
 * Bytes that LMDB takes for a record at most. Of one that is larger than half a page, whole pages, the first of which has a
 * header; of others as much as is left free at the end of a page where the next one does not fit (mdb.c, me_nodemax).
 */
export function roomFor(record: Uint8Array): number {
  const bytes = besideRecordBytes + record.length;
  if (2 * bytes <= pageBytes - header.bytes) return 2 * bytes;
  return Math.ceil((header.bytes + record.length) / pageBytes) * pageBytes;
}

export class Journal {
  readonly #path: string;
  readonly #environment: Environment;
  readonly #commits: NumberedRecords;
  /** Where the chain stands. Who appends moves it. */
  readonly head: ChainHead;
  /** Of the database's file, to be read only. */
  readonly #descriptor: number;
  #appends = 0;

  private constructor(path: string, environment: Environment, commits: NumberedRecords, head: ChainHead) {
    this.#path = path;
    this.#environment = environment;
    this.#commits = commits;
    this.head = head;
    this.#descriptor = openSync(join(path, databaseFile), 'r');
  }

  /**
   * Opens the journal in folder `path` and hands every commit, verified and in order, to `visit`.
   *
   * @throws LeiniaoError `data_dir_damaged` at the first commit that is missing, altered or out of order
   */
  static async open(options: {
    path: string;
    storeId: string;
    shard: number;
    visit: (commit: Commit) => void;
  }): Promise<Journal> {
    const environment = openEnvironment(options.path, 'commits');
    const head: ChainHead = {
      number: 0,
      hash: genesisHash(options.storeId, options.shard),
      nextSequence: 1,
      timeMs: 0,
    };
    let commits: NumberedRecords;
    try {
      commits = environment.openDB<Buffer, number>(tableOptions('commits'));
      for (const { key, value } of everyRecord(commits)) {
        if (key !== head.number + 1) {
          throw new LeiniaoError('data_dir_damaged', `journal commit ${head.number + 1} is missing`);
        }
        options.visit(follow(head, value));
      }
    } catch (cause) {
      await environment.close();
      if (cause instanceof LeiniaoError && cause.code === 'data_dir_damaged') {
        throw new LeiniaoError('data_dir_damaged', `${options.path}: ${cause.message}`, { cause });
      }
      throw cause;
    }
    return new Journal(options.path, environment, commits, head);
  }

  /**
   * Adds sealed records in one transaction, the first numbered `firstNumber`. They are on disk when this returns.
   *
   * @throws Error when the disk is full, or whatever LMDB reports: the caller must stop, and never try again in place
   */
  append(firstNumber: number, records: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const record of records) bytes += roomFor(record);
    requireRoom(this.#path, bytes);
    this.#appends += 1;
    // A reader that was killed would keep every page from being used again.
    if (this.#appends % limits.readerCheckAppends === 0) this.#environment.readerCheck();
    this.#environment.transactionSync(() => {
      requireNewest(this.#environment, this.#descriptor);
      for (const [i, record] of records.entries()) {
        // The declarations say void: within a transaction it is whether the record was added.
        const stored: unknown = this.#commits.putSync(firstNumber + i, record as Buffer, { append: true });
        assert(stored === true, 'a commit record is added after all others');
      }
    });
  }

  async close(): Promise<void> {
    closeSync(this.#descriptor);
    await this.#environment.close();
  }
}
