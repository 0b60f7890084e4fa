/**
 * Checks that a file is a whole LMDB database before LMDB opens it. LMDB maps the file and trusts every byte of its
 * structure: a page number beyond the end, or a bound that is out of bounds, ends the process with a signal instead of
 * an error. Only structure is checked here; what the records say is the hash chain's matter. Called by the thread that
 * is about to open the file.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { LeiniaoError } from '../errors.js';
import {
  database,
  header,
  meta,
  metaMagic,
  metaVersion,
  noRoot,
  PageFlag,
  pageBytes,
  type TableName,
} from './lmdb-layout.js';
import { checkPages, failAt, type OpenFile } from './lmdb-pages.js';

/**
 * @param table the name of the only table that the file has once anything was written: under another name its records
 *   would be there, and nobody would find them
 * @throws LeiniaoError `data_dir_damaged`, saying where, or `data_dir_unwritable` when the file cannot be read; a file
 *   that is missing or empty is none to check
 */
export function checkDatabaseFile(file: string, table: TableName): void {
  withDatabaseFile(file, table, (database) => database.check());
}

/**
 * The newest transaction that the meta pages of an open file tell of. It is what LMDB should go on from, and does not
 * always: whoever opens an environment, to read as well, sets the number that all share to what he read a moment before
 * (mdb.c, mdb_env_open2), and a commit that came in between is forgotten by it.
 *
 * @throws LeiniaoError `data_dir_damaged` when the file has been cut short
 */
export function newestTransaction(descriptor: number): bigint {
  const bytes = Buffer.alloc(meta.bytes - meta.transaction);
  const [even, odd] = [0, 1].map((page) => {
    const read = readSync(descriptor, bytes, 0, bytes.length, page * pageBytes + meta.transaction);
    if (read !== bytes.length)
      throw new LeiniaoError('data_dir_damaged', 'a database was cut short while it was open');
    return bytes.readBigUInt64LE(0);
  }) as [bigint, bigint];
  return even > odd ? even : odd;
}

/**
 * The same for the two meta pages alone, which are all that LMDB reads when it opens a file. For readers: they do not
 * finish a commit that failed, and do not call it damage.
 */
export function checkDatabaseBeginning(file: string, table: TableName): void {
  withDatabaseFile(file, table, (database) => {
    try {
      database.newestMeta();
    } catch (error) {
      if (!database.hasFailedCommit()) throw error;
      const message = `${file}: a commit failed in its last write; an engine that starts on it finishes it`;
      throw new LeiniaoError('data_dir_unwritable', message, { cause: error });
    }
  });
}

/**
 * Finishes a commit that failed in its last write. LMDB brings a commit's pages to disk, and then the meta page that leads
 * to them; where the disk refuses that one, LMDB writes it once more as one of an older transaction, which leads to pages
 * that are younger than it (mdb.c, mdb_env_write_meta). Such a file is not damaged, though it looks so: where everything
 * that the page leads to is there, the page is made what it was meant to be. Nobody was told that the commit failed or that
 * it did not, so it may as well be there; and if the page had been spoilt instead, taking it for an old one would lose what
 * it leads to.
 */
export function finishFailedCommit(file: string, table: TableName): void {
  withDatabaseFile(file, table, (database) => database.finishFailedCommit(), 'r+');
}

function withDatabaseFile(
  file: string,
  table: TableName,
  check: (database: DatabaseFile) => void,
  flags: 'r' | 'r+' = 'r',
): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, flags);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    const message = `${file} cannot be read: ${(cause as Error).message}`;
    throw new LeiniaoError('data_dir_unwritable', message, { cause });
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size > 0) check(new DatabaseFile({ path: file, descriptor, table }, size));
  } catch (cause) {
    if (cause instanceof LeiniaoError) throw cause;
    const message = `${file} cannot be read: ${(cause as Error).message}`;
    throw new LeiniaoError('data_dir_unwritable', message, { cause });
  } finally {
    closeSync(descriptor);
  }
}

class DatabaseFile {
  readonly #file: OpenFile;
  readonly #size: number;

  constructor(file: OpenFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  check(): void {
    checkPages(this.#file, this.newestMeta());
  }

  /** LMDB maps as much as a meta page says there is, whatever there is. */
  #requireLastPage(state: Buffer): void {
    const needed = (Number(state.readBigUInt64LE(meta.lastPage)) + 1) * pageBytes;
    if (this.#size < needed) this.#fail(`is cut short: ${this.#size} of ${needed} bytes`);
  }

  hasFailedCommit(): boolean {
    return this.#failedCommit() !== undefined;
  }

  finishFailedCommit(): void {
    const failed = this.#failedCommit();
    if (failed === undefined) return;
    writeSync(this.#file.descriptor, failed.meant, 0, failed.meant.length, failed.page * pageBytes);
    fsyncSync(this.#file.descriptor);
  }

  /** The meta page that a failed commit wrote wrongly, and what it was meant to be. */
  #failedCommit(): { readonly page: number; readonly meant: Buffer } | undefined {
    const metas = this.#metas();
    if (metas === undefined) return undefined;
    const older =
      metas[0].readBigUInt64LE(meta.transaction) < metas[1].readBigUInt64LE(meta.transaction) ? 0 : 1;
    const newest = metas[1 - older]!.readBigUInt64LE(meta.transaction);
    const meant = Buffer.from(metas[older]);
    if (meant.readBigUInt64LE(meta.transaction) !== newest - 1n) return undefined;
    const roots = [meta.freeDatabase, meta.mainDatabase];
    // A commit leaves both; the page of a database that is new has none.
    if (roots.some((at) => meant.readBigUInt64LE(at + database.root) === noRoot)) return undefined;
    meant.writeBigUInt64LE(newest + 1n, meta.transaction);
    // That page's own was lost with its transaction: as far as the file goes, until it shows how much of it is used.
    meant.writeBigUInt64LE(BigInt(Math.floor(this.#size / pageBytes) - 1), meta.lastPage);
    try {
      // Both roots: one of an older state whose age was spoilt would pass for the other.
      for (const at of roots) this.#checkRootAge(meant, at);
      this.#requireLastPage(meant);
      meant.writeBigUInt64LE(BigInt(checkPages(this.#file, meant)), meta.lastPage);
    } catch (error) {
      if (error instanceof LeiniaoError) return undefined;
      throw error;
    }
    return { page: older, meant };
  }

  newestMeta(): Buffer {
    // LMDB writes both when it makes a file, and later one at a time: without one of them the newest commit may be gone.
    const [a, b] = this.#metas() ?? this.#fail('is not a database, or its beginning is damaged');
    const [even, odd] = [a, b].map((bytes) => bytes.readBigUInt64LE(meta.transaction)) as [bigint, bigint];
    const isNew = even === 0n && odd === 0n;
    const alternate = even % 2n === 0n && odd % 2n === 1n && (even - odd === 1n || odd - even === 1n);
    if (!isNew && !alternate) this.#fail('has two beginnings that do not belong together');
    for (const at of [meta.freeDatabase, meta.mainDatabase]) {
      if (a.readUInt16LE(at + database.flags) !== b.readUInt16LE(at + database.flags)) {
        this.#fail('has two beginnings that disagree');
      }
    }
    if (!isNew) for (const bytes of [a, b]) this.#checkRootAge(bytes, meta.mainDatabase);
    const newest = odd > even ? b : a;
    this.#requireLastPage(newest);
    return newest;
  }

  /** The two meta pages, if they are such. */
  #metas(): readonly [Buffer, Buffer] | undefined {
    const head = Buffer.alloc(pageBytes + meta.bytes);
    const read = readSync(this.#file.descriptor, head, 0, head.length, 0);
    const [a, b] = [head.subarray(0, meta.bytes), head.subarray(pageBytes, pageBytes + meta.bytes)] as const;
    return read === head.length && this.#isMeta(a, 0) && this.#isMeta(b, 1) ? [a, b] : undefined;
  }

  /**
   * A commit always writes the main database's root anew, and, since that frees the root before, the free database's; the
   * last two of them are never overwritten.
   */
  #checkRootAge(bytes: Buffer, at: number): void {
    const root = bytes.readBigUInt64LE(at + database.root);
    if (root === noRoot) return;
    if (root > bytes.readBigUInt64LE(meta.lastPage) || Number(root) * pageBytes >= this.#size)
      this.#fail('has a beginning that leads nowhere');
    const page = Buffer.alloc(header.bytes);
    const found =
      readSync(this.#file.descriptor, page, 0, page.length, Number(root) * pageBytes) === page.length;
    if (!found || page.readBigUInt64LE(header.transaction) !== bytes.readBigUInt64LE(meta.transaction)) {
      this.#fail('has a beginning that does not lead to its newest state');
    }
  }

  #isMeta(bytes: Buffer, page: number): boolean {
    return (
      bytes.readBigUInt64LE(header.page) === BigInt(page) &&
      bytes.readUInt16LE(header.flags) === PageFlag.meta &&
      bytes.readUInt32LE(meta.magic) === metaMagic &&
      bytes.readUInt32LE(meta.version) === metaVersion &&
      bytes.readUInt32LE(meta.freeDatabase + database.pageSize) === pageBytes
    );
  }

  #fail(what: string): never {
    failAt(this.#file, what);
  }
}
