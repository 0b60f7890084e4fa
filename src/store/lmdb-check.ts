/**
 * Checks that a file is a whole LMDB database before LMDB opens it. LMDB maps the file and trusts every byte of its
 * structure: a page number beyond the end, or a bound that is out of bounds, ends the process with a signal instead of
 * an error. Only structure is checked here; what the records say is the hash chain's matter. Called by the thread that
 * is about to open the file.
 *
 * The layout is that of the LMDB in npm `lmdb` 3 (its mdb.c: MDB_page_header, MDB_node, MDB_meta, MDB_db) on 64-bit
 * little-endian machines:
 *
 *   page    +0 u64 page number   +8 u64 transaction   +18 u16 flags   +20 u16 lower, u16 upper (or u32 overflow pages)
 *           +24 u16 offsets of nodes, lower/2 of them, then free space up to upper; offsets count from +24
 *   node    +0 u32 size of the data, or 48 bits child page   +4 u16 flags   +6 u16 key size   +8 key, data
 *   meta    +24 u32 magic   +28 u32 version   +48 free database   +96 main database   +144 u64 last page
 *           +152 u64 transaction; page 0 belongs to even transactions, page 1 to odd ones
 *   database +0 u32 page size (free database only)   +4 u16 flags   +6 u16 depth   +32 u64 entries   +40 u64 root page
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LeiniaoError } from '../errors.js';

/** We ask for this size when a database is made, so that the second meta page is where we look for it. */
export const pageBytes = 4096;
const metaMagic = 0xbeefc0de;
const metaVersion = 2;
const meta = {
  magic: 24,
  version: 28,
  freeDatabase: 48,
  mainDatabase: 96,
  lastPage: 144,
  transaction: 152,
  bytes: 160,
} as const;
const header = {
  page: 0,
  transaction: 8,
  flags: 18,
  lower: 20,
  upper: 22,
  overflowPages: 20,
  bytes: 24,
} as const;
const node = { flags: 4, keyBytes: 6, bytes: 8 } as const;
const database = { pageSize: 0, flags: 4, entries: 32, root: 40, bytes: 48 } as const;
const PageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08, kinds: 0x6f } as const;
const NodeFlag = { big: 0x01, database: 0x02 } as const;
const noRoot = 2n ** 64n - 1n;
/** LMDB's own limit of a tree's depth. */
const depthMax = 32;

/**
 * @throws LeiniaoError `data_dir_damaged`, saying where, or `data_dir_unwritable` when the file cannot be read; a file
 *   that is missing or empty is none to check
 */
export function checkDatabaseFile(file: string): void {
  withDatabaseFile(file, (database) => database.check());
}

/** The same for the two meta pages alone, which are all that LMDB reads when it opens a file. */
export function checkDatabaseBeginning(file: string): void {
  withDatabaseFile(file, (database) => database.newestMeta());
}

function withDatabaseFile(file: string, check: (database: DatabaseFile) => void): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
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
    const newest = this.newestMeta();
    const lastPage = Number(newest.readBigUInt64LE(meta.lastPage));
    const needed = (lastPage + 1) * pageBytes;
    if (this.#size < needed) this.#fail(`is cut short: ${this.#size} of ${needed} bytes`);
    this.#lastPage = lastPage;
    this.#seen = new Uint8Array(lastPage + 1);
    for (const at of [meta.freeDatabase, meta.mainDatabase]) {
      this.#checkDatabase(newest.subarray(at, at + database.bytes));
    }
  }

  newestMeta(): Buffer {
    const head = Buffer.alloc(pageBytes + meta.bytes);
    const read = readSync(this.#descriptor, head, 0, head.length, 0);
    const [a, b] = [head.subarray(0, meta.bytes), head.subarray(pageBytes, pageBytes + meta.bytes)] as const;
    // LMDB writes both when it makes a file, and later one at a time: without one of them the newest commit may be gone.
    if (read < head.length || !this.#isMeta(a, 0) || !this.#isMeta(b, 1)) {
      this.#fail('is not a database, or its beginning is damaged');
    }
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
    return odd > even ? b : a;
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

  #checkDatabase(record: Buffer): void {
    const root = record.readBigUInt64LE(database.root);
    const entries = root === noRoot ? 0 : this.#checkTree(Number(root), 1);
    if (BigInt(entries) !== record.readBigUInt64LE(database.entries)) {
      this.#fail(`has ${entries} of ${record.readBigUInt64LE(database.entries)} entries of a table`);
    }
  }

  /** Checks the pages at and below `page`, and returns how many entries they have. */
  #checkTree(page: number, depth: number): number {
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
      if (isBranch) entries += this.#checkTree(bytes.readUIntLE(at, 6), depth + 1);
      else {
        this.#checkLeafNode(page, bytes, at, keyEnd);
        entries += 1;
      }
    }
    return entries;
  }

  #checkLeafNode(page: number, bytes: Buffer, at: number, dataAt: number): void {
    const size = bytes.readUInt32LE(at);
    const flags = bytes.readUInt16LE(at + node.flags);
    const big = (flags & NodeFlag.big) !== 0;
    if (dataAt + (big ? 8 : size) > pageBytes) this.#fail('has data out of bounds', page);
    if (big) this.#checkOverflow(Number(bytes.readBigUInt64LE(dataAt)), size);
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
