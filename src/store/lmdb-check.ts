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
  depthMax,
  header,
  meta,
  metaMagic,
  metaVersion,
  NodeFlag,
  node,
  noRoot,
  PageFlag,
  pageBytes,
} from './lmdb-layout.js';

/**
 * @throws LeiniaoError `data_dir_damaged`, saying where, or `data_dir_unwritable` when the file cannot be read; a file
 *   that is missing or empty is none to check
 */
export function checkDatabaseFile(file: string): void {
  withDatabaseFile(file, (database) => database.check());
}

/**
 * The newest transaction that the meta pages of an open file tell of. It is what LMDB should go on from, and does not
 * always: whoever opens an environment, to read as well, sets the number that all share to what he read a moment before
 * (mdb.c, mdb_env_open2), and a commit that came in between is forgotten by it.
 */
export function newestTransaction(descriptor: number): bigint {
  const transactions = [0, 1].map((page) => {
    const bytes = Buffer.alloc(8);
    readSync(descriptor, bytes, 0, 8, page * pageBytes + meta.transaction);
    return bytes.readBigUInt64LE(0);
  }) as [bigint, bigint];
  return transactions[0] > transactions[1] ? transactions[0] : transactions[1];
}

/**
 * The same for the two meta pages alone, which are all that LMDB reads when it opens a file. For readers: they do not
 * finish a commit that failed, and do not call it damage.
 */
export function checkDatabaseBeginning(file: string): void {
  withDatabaseFile(file, (database) => {
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
export function finishFailedCommit(file: string): void {
  withDatabaseFile(file, (database) => database.finishFailedCommit(), 'r+');
}

function withDatabaseFile(
  file: string,
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
    if (size > 0) check(new DatabaseFile(file, descriptor, size));
  } catch (cause) {
    if (cause instanceof LeiniaoError) throw cause;
    const message = `${file} cannot be read: ${(cause as Error).message}`;
    throw new LeiniaoError('data_dir_unwritable', message, { cause });
  } finally {
    closeSync(descriptor);
  }
}

function databaseOf(state: Buffer, at: number): Buffer {
  return state.subarray(at, at + database.bytes);
}

class DatabaseFile {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #size: number;
  #lastPage = 0;
  /** By page: whether something refers to it already. */
  #seen = new Uint8Array(0);

  constructor(file: string, descriptor: number, size: number) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#size = size;
  }

  check(): void {
    this.#checkState(this.newestMeta());
  }

  /** Checks all that a meta page leads to. */
  #checkState(state: Buffer): void {
    this.#lastPage = this.#lastPageOf(state);
    this.#seen = new Uint8Array(this.#lastPage + 1);
    const freeLists: Buffer[] = [];
    this.#checkDatabase(databaseOf(state, meta.freeDatabase), freeLists);
    this.#checkDatabase(databaseOf(state, meta.mainDatabase));
    for (const list of freeLists) this.#checkFreeList(list);
  }

  /** What a meta page says is the last page. LMDB maps as much as that, whatever there is. */
  #lastPageOf(state: Buffer): number {
    const lastPage = Number(state.readBigUInt64LE(meta.lastPage));
    const needed = (lastPage + 1) * pageBytes;
    if (this.#size < needed) this.#fail(`is cut short: ${this.#size} of ${needed} bytes`);
    return lastPage;
  }

  hasFailedCommit(): boolean {
    return this.#failedCommit() !== undefined;
  }

  finishFailedCommit(): void {
    const failed = this.#failedCommit();
    if (failed === undefined) return;
    writeSync(this.#descriptor, failed.meant, 0, failed.meant.length, failed.page * pageBytes);
    fsyncSync(this.#descriptor);
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
    // A commit leaves a root; the page of a database that is new has none.
    if (meant.readBigUInt64LE(meta.mainDatabase + database.root) === noRoot) return undefined;
    meant.writeBigUInt64LE(newest + 1n, meta.transaction);
    // That page's own was lost with its transaction; pages that nobody refers to do no harm.
    meant.writeBigUInt64LE(BigInt(Math.floor(this.#size / pageBytes) - 1), meta.lastPage);
    try {
      this.#checkRootAge(meant);
      this.#checkState(meant);
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
    if (!isNew) for (const bytes of [a, b]) this.#checkRootAge(bytes);
    const newest = odd > even ? b : a;
    this.#lastPageOf(newest);
    return newest;
  }

  /** The two meta pages, if they are such. */
  #metas(): readonly [Buffer, Buffer] | undefined {
    const head = Buffer.alloc(pageBytes + meta.bytes);
    const read = readSync(this.#descriptor, head, 0, head.length, 0);
    const [a, b] = [head.subarray(0, meta.bytes), head.subarray(pageBytes, pageBytes + meta.bytes)] as const;
    return read === head.length && this.#isMeta(a, 0) && this.#isMeta(b, 1) ? [a, b] : undefined;
  }

  /** A commit always writes the main database's root anew; the last two of them are never overwritten. */
  #checkRootAge(bytes: Buffer): void {
    const root = bytes.readBigUInt64LE(meta.mainDatabase + database.root);
    if (root === noRoot) return;
    if (root > bytes.readBigUInt64LE(meta.lastPage) || Number(root) * pageBytes >= this.#size)
      this.#fail('has a beginning that leads nowhere');
    const page = Buffer.alloc(header.bytes);
    const found = readSync(this.#descriptor, page, 0, page.length, Number(root) * pageBytes) === page.length;
    if (!found || page.readBigUInt64LE(header.transaction) !== bytes.readBigUInt64LE(meta.transaction)) {
      this.#fail('has a beginning that does not lead to its newest state');
    }
  }

  #isMeta(bytes: Buffer, page: number): boolean {
    return (
      bytes.readBigUInt64LE(header.page) === BigInt(page) &&
      (bytes.readUInt16LE(header.flags) & PageFlag.kinds) === PageFlag.meta &&
      bytes.readUInt32LE(meta.magic) === metaMagic &&
      bytes.readUInt32LE(meta.version) === metaVersion &&
      bytes.readUInt32LE(meta.freeDatabase + database.pageSize) === pageBytes
    );
  }

  /** @param lists collects the data of every entry */
  #checkDatabase(record: Buffer, lists?: Buffer[]): void {
    const root = record.readBigUInt64LE(database.root);
    const entries = root === noRoot ? 0 : this.#checkTree(Number(root), 1, lists);
    if (BigInt(entries) !== record.readBigUInt64LE(database.entries)) {
      this.#fail(`has ${entries} of ${record.readBigUInt64LE(database.entries)} entries of a table`);
    }
  }

  /** Checks the pages at and below `page`, and returns how many entries they have. */
  #checkTree(page: number, depth: number, lists?: Buffer[]): number {
    const bytes = this.#read(page);
    const flags = bytes.readUInt16LE(header.flags) & PageFlag.kinds;
    const lower = bytes.readUInt16LE(header.lower);
    const upper = bytes.readUInt16LE(header.upper);
    const isBranch = flags === PageFlag.branch;
    if (!isBranch && flags !== PageFlag.leaf) this.#fail('is of no known kind', page);
    if (depth > depthMax) this.#fail('is too deep', page);
    if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > pageBytes - header.bytes) {
      this.#fail('has bounds that cannot be', page);
    }
    let entries = 0;
    for (let i = 0; i < lower; i += 2) {
      const at = header.bytes + bytes.readUInt16LE(header.bytes + i);
      if (at < header.bytes + upper || at + node.bytes > pageBytes)
        this.#fail('has an entry out of bounds', page);
      const keyEnd = at + node.bytes + bytes.readUInt16LE(at + node.keyBytes);
      if (keyEnd > pageBytes) this.#fail('has a key out of bounds', page);
      if (isBranch) entries += this.#checkTree(bytes.readUIntLE(at, 6), depth + 1, lists);
      else {
        this.#checkLeafNode(page, bytes, at, keyEnd, lists);
        entries += 1;
      }
    }
    return entries;
  }

  #checkLeafNode(page: number, bytes: Buffer, at: number, dataAt: number, lists?: Buffer[]): void {
    const size = bytes.readUInt32LE(at);
    const flags = bytes.readUInt16LE(at + node.flags);
    const big = (flags & NodeFlag.big) !== 0;
    if (dataAt + (big ? 8 : size) > pageBytes) this.#fail('has data out of bounds', page);
    const overflow = big ? Number(bytes.readBigUInt64LE(dataAt)) : 0;
    if (big) this.#checkOverflow(overflow, size);
    lists?.push(big ? this.#overflowData(overflow, size) : bytes.subarray(dataAt, dataAt + size));
    if ((flags & NodeFlag.database) === 0) return;
    if (size !== database.bytes) this.#fail('has a table that is none', page);
    this.#checkDatabase(bytes.subarray(dataAt, dataAt + database.bytes));
  }

  /** Data too large for a leaf: one header, and pages that follow it. */
  #checkOverflow(page: number, size: number): void {
    const bytes = this.#read(page);
    const pages = bytes.readUInt32LE(header.overflowPages);
    const needed = Math.ceil((header.bytes + size) / pageBytes);
    if ((bytes.readUInt16LE(header.flags) & PageFlag.kinds) !== PageFlag.overflow || pages < needed) {
      this.#fail('does not hold the data it should', page);
    }
    for (let next = page + 1; next < page + pages; next++) this.#claim(next);
  }

  #overflowData(page: number, size: number): Buffer {
    const data = Buffer.allocUnsafe(size);
    const read = readSync(this.#descriptor, data, 0, size, page * pageBytes + header.bytes);
    if (read !== size) this.#fail('is cut short', page);
    return data;
  }

  /** Pages that LMDB will write to next must be pages of the file, and none that anything refers to. */
  #checkFreeList(list: Buffer): void {
    const words = list.length < 8 ? 0n : list.readBigUInt64LE(0);
    if (list.length < 8 || words > BigInt(list.length / 8 - 1))
      this.#fail('has a list of free pages without an end');
    let pages = 1;
    for (let i = 1; i <= Number(words); i++) {
      const word = list.readBigInt64LE(i * 8);
      if (word < 0n) {
        pages = Number(-word);
        continue;
      }
      if (word > 0n) this.#checkFree(Number(word), pages);
      pages = 1;
    }
  }

  #checkFree(first: number, pages: number): void {
    for (let page = first; page < first + pages; page++) {
      if (page < 2 || page > this.#lastPage) this.#fail(`has a free page ${page} that it does not have`);
      if (this.#seen[page] !== 0) this.#fail('is in use, and in the list of free pages', page);
    }
  }

  #read(page: number): Buffer {
    this.#claim(page);
    const bytes = Buffer.allocUnsafe(pageBytes);
    const read = readSync(this.#descriptor, bytes, 0, pageBytes, page * pageBytes);
    if (read !== pageBytes || bytes.readBigUInt64LE(header.page) !== BigInt(page))
      this.#fail('is another', page);
    return bytes;
  }

  /** Every page belongs to one place. */
  #claim(page: number): void {
    if (page < 2 || page > this.#lastPage) this.#fail(`refers to a page ${page} that it does not have`);
    if (this.#seen[page] !== 0) this.#fail('is referred to twice', page);
    this.#seen[page] = 1;
  }

  #fail(what: string, page?: number): never {
    const where = page === undefined ? this.#file : `${this.#file}: page ${page}`;
    throw new LeiniaoError('data_dir_damaged', `${where} ${what}`);
  }
}
