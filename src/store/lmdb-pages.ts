/**
 * Checks all that a meta page of an LMDB file leads to: pages, tables, records, lists of free pages. What the records say is
 * not looked at. Called by the thread that is about to open the file.
 */
import { readSync } from 'node:fs';
import { LeiniaoError } from '../errors.js';
import {
  database,
  depthMax,
  header,
  meta,
  NodeFlag,
  node,
  noRoot,
  PageFlag,
  pageBytes,
  TableFlag,
  type TableName,
  tables,
} from './lmdb-layout.js';

/** What a table is expected to be. */
interface TableKind {
  readonly flags: number;
  readonly entryFlags: number;
  /** Of every key; undefined for any length. */
  readonly keyBytes: number | undefined;
  /** Negative where `a` comes first. */
  readonly compare: (a: Buffer, b: Buffer) => number;
}

const namedTables: Readonly<Record<TableName, TableKind>> = {
  commits: { ...tables.commits, entryFlags: 0, compare: (a, b) => a.readUInt32LE(0) - b.readUInt32LE(0) },
  sales: { ...tables.sales, entryFlags: 0, compare: Buffer.compare },
};
/** Of transactions, and the pages that were freed in each. */
const freeTable: TableKind = {
  flags: TableFlag.integerKeys,
  entryFlags: 0,
  keyBytes: 8,
  compare: (a, b) => Number(a.readBigInt64LE(0) - b.readBigInt64LE(0)),
};
/** Lists the tables that have names. */
const mainTable: TableKind = {
  flags: 0,
  entryFlags: NodeFlag.database,
  keyBytes: undefined,
  compare: Buffer.compare,
};

/** How far a walk through the pages of a table has come, in the order of its keys. */
interface Walk extends TableKind {
  /** How many pages lie between the root and a leaf, both included. */
  readonly depth: number;
  readonly visit: ((key: Buffer, data: Buffer) => void) | undefined;
  entries: number;
  lastKey: Buffer | undefined;
  /** The key under which the page of the next entry is listed. */
  listedAs: Buffer | undefined;
}

/** An open database file. */
export interface OpenFile {
  readonly path: string;
  readonly descriptor: number;
  /** The one table with a name that it has once anything was written. */
  readonly table: TableName;
}

/** @throws LeiniaoError `data_dir_damaged`, naming the file, and the page where it is one */
export function failAt({ path }: OpenFile, what: string, page?: number): never {
  const where = page === undefined ? path : `${path}: page ${page}`;
  throw new LeiniaoError('data_dir_damaged', `${where} ${what}`);
}

/**
 * @param state the meta page, whose last page the file has
 * @returns the highest page that is in use, or in a list of free ones
 * @throws LeiniaoError `data_dir_damaged`, saying where
 */
export function checkPages(file: OpenFile, state: Buffer): number {
  return new Pages(file, state).check();
}

class Pages {
  readonly #file: OpenFile;
  readonly #state: Buffer;
  readonly #transaction: bigint;
  readonly #lastPage: number;
  /** By page: whether something refers to it already. */
  readonly #seen: Uint8Array;

  constructor(file: OpenFile, state: Buffer) {
    this.#file = file;
    this.#state = state;
    this.#transaction = state.readBigUInt64LE(meta.transaction);
    this.#lastPage = Number(state.readBigUInt64LE(meta.lastPage));
    this.#seen = new Uint8Array(this.#lastPage + 1);
  }

  check(): number {
    const freeLists: Buffer[] = [];
    this.#checkTable(this.#databaseAt(meta.freeDatabase), freeTable, (transaction, list) => {
      if (transaction.readBigUInt64LE(0) > this.#transaction) this.#fail('has pages that will be free');
      freeLists.push(list);
    });
    const { table } = this.#file;
    const tables: Buffer[] = [];
    this.#checkTable(this.#databaseAt(meta.mainDatabase), mainTable, (name, record) => {
      // lmdb-js stores a zero behind a name.
      if (name.toString('latin1') !== `${table}\0` || record.length !== database.bytes)
        this.#fail('has a table that it should not have');
      tables.push(record);
    });
    // It is made in the first transaction, and never has another beside it.
    if (tables.length === 0 && this.#transaction > 0n) this.#fail('has lost its table');
    for (const record of tables) this.#checkTable(record, namedTables[table]);
    for (const list of freeLists) this.#checkFreeList(list);
    // The two meta pages are not referred to.
    return Math.max(1, this.#seen.lastIndexOf(1));
  }

  #databaseAt(at: number): Buffer {
    return this.#state.subarray(at, at + database.bytes);
  }

  /** @param visit called with every entry in turn */
  #checkTable(record: Buffer, kind: TableKind, visit?: Walk['visit']): void {
    if (record.readUInt16LE(database.flags) !== kind.flags) this.#fail('has a table of another kind');
    const root = record.readBigUInt64LE(database.root);
    const depth = record.readUInt16LE(database.depth);
    if ((root === noRoot) !== (depth === 0)) this.#fail('has a table of a depth that cannot be');
    const walk: Walk = { ...kind, depth, visit, entries: 0, lastKey: undefined, listedAs: undefined };
    if (root !== noRoot) this.#checkTree(Number(root), 1, walk);
    if (BigInt(walk.entries) !== record.readBigUInt64LE(database.entries)) {
      this.#fail(`has ${walk.entries} of ${record.readBigUInt64LE(database.entries)} entries of a table`);
    }
  }

  /** Checks the pages at and below `page`. */
  #checkTree(page: number, depth: number, walk: Walk): void {
    const bytes = this.#read(page);
    const flags = bytes.readUInt16LE(header.flags);
    const lower = bytes.readUInt16LE(header.lower);
    const upper = bytes.readUInt16LE(header.upper);
    const isBranch = flags === PageFlag.branch;
    if (!isBranch && flags !== PageFlag.leaf) this.#fail('is of no known kind', page);
    if (depth > depthMax || isBranch !== depth < walk.depth) this.#fail('is at a depth that cannot be', page);
    if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > pageBytes - header.bytes) {
      this.#fail('has bounds that cannot be', page);
    }
    const nodes: { readonly at: number; readonly end: number }[] = [];
    for (let i = 0; i < lower; i += 2) {
      const at = header.bytes + bytes.readUInt16LE(header.bytes + i);
      if (at < header.bytes + upper || at + node.bytes > pageBytes)
        this.#fail('has an entry out of bounds', page);
      const keyEnd = at + node.bytes + bytes.readUInt16LE(at + node.keyBytes);
      if (keyEnd > pageBytes) this.#fail('has a key out of bounds', page);
      const key = bytes.subarray(at + node.bytes, keyEnd);
      if (isBranch) {
        // The first of them has no key of its own.
        if (i > 0) this.#checkListed(page, key, walk);
        this.#checkTree(bytes.readUIntLE(at, 6), depth + 1, walk);
        nodes.push({ at, end: keyEnd });
      } else {
        this.#checkKey(page, key, walk);
        nodes.push({ at, end: this.#checkLeafNode(page, bytes, at, key, walk) });
        walk.entries += 1;
      }
    }
    nodes.sort((a, b) => a.at - b.at);
    if (nodes.some(({ end }, i) => i + 1 < nodes.length && end > nodes[i + 1]!.at))
      this.#fail('has entries that overlap', page);
  }

  /** A branch lists a page under a key that is above all before, and not above any of the page's own. */
  #checkListed(page: number, key: Buffer, walk: Walk): void {
    this.#checkKeyBytes(page, key, walk);
    if (walk.lastKey !== undefined && walk.compare(walk.lastKey, key) >= 0)
      this.#fail('has keys in a wrong order', page);
    walk.listedAs = key;
  }

  #checkKey(page: number, key: Buffer, walk: Walk): void {
    this.#checkKeyBytes(page, key, walk);
    const { compare, lastKey, listedAs } = walk;
    const inOrder = lastKey === undefined || compare(lastKey, key) < 0;
    if (!inOrder || (listedAs !== undefined && compare(listedAs, key) > 0))
      this.#fail('has keys in a wrong order', page);
    walk.lastKey = key;
    // Those that follow are above this one.
    walk.listedAs = undefined;
  }

  #checkKeyBytes(page: number, key: Buffer, { keyBytes }: Walk): void {
    if (key.length === 0 || (keyBytes !== undefined && key.length !== keyBytes))
      this.#fail('has a key of a length that cannot be', page);
  }

  /** @returns where the node ends */
  #checkLeafNode(page: number, bytes: Buffer, at: number, key: Buffer, walk: Walk): number {
    const size = bytes.readUInt32LE(at);
    const flags = bytes.readUInt16LE(at + node.flags);
    const dataAt = at + node.bytes + key.length;
    const big = flags === NodeFlag.big && walk.entryFlags === 0;
    if (!big && flags !== walk.entryFlags) this.#fail('has an entry of another kind', page);
    const end = dataAt + (big ? 8 : size);
    if (end > pageBytes) this.#fail('has data out of bounds', page);
    const overflow = big ? Number(bytes.readBigUInt64LE(dataAt)) : 0;
    if (big) this.#checkOverflow(overflow, size);
    walk.visit?.(key, big ? this.#overflowData(overflow, size) : bytes.subarray(dataAt, end));
    return end;
  }

  /** Data too large for a leaf: one header, and pages that follow it. */
  #checkOverflow(page: number, size: number): void {
    const bytes = this.#read(page);
    const pages = bytes.readUInt32LE(header.overflowPages);
    const needed = Math.ceil((header.bytes + size) / pageBytes);
    if (bytes.readUInt16LE(header.flags) !== PageFlag.overflow || pages < needed) {
      this.#fail('does not hold the data it should', page);
    }
    for (let next = page + 1; next < page + pages; next++) this.#claim(next);
  }

  #overflowData(page: number, size: number): Buffer {
    const data = Buffer.allocUnsafe(size);
    const read = readSync(this.#file.descriptor, data, 0, size, page * pageBytes + header.bytes);
    if (read !== size) this.#fail('is cut short', page);
    return data;
  }

  /** Pages that LMDB will write to next must be pages of the file, and none that anything refers to. */
  #checkFreeList(list: Buffer): void {
    const words = list.length < 8 ? 0n : list.readBigUInt64LE(0);
    if (list.length < 8 || list.length % 8 !== 0 || words > BigInt(list.length / 8 - 1))
      this.#fail('has a list of free pages without an end');
    let pages = 1n;
    for (let i = 1; i <= Number(words); i++) {
      const word = list.readBigInt64LE(i * 8);
      if (word > 0n) this.#checkFree(word, pages);
      else if (pages !== 1n || (word < 0n && i === Number(words)))
        this.#fail('has a list of free pages that counts pages and does not name them');
      pages = word < 0n ? -word : 1n;
    }
  }

  #checkFree(first: bigint, pages: bigint): void {
    const last = first + pages - 1n;
    if (first < 2n || last > BigInt(this.#lastPage))
      this.#fail(`has free pages ${first} to ${last} that it does not have`);
    for (let page = Number(first); page <= Number(last); page++) {
      if (this.#seen[page] !== 0)
        this.#fail('is in the list of free pages, and in use or listed twice', page);
      this.#seen[page] = 1;
    }
  }

  #read(page: number): Buffer {
    this.#claim(page);
    const bytes = Buffer.allocUnsafe(pageBytes);
    const read = readSync(this.#file.descriptor, bytes, 0, pageBytes, page * pageBytes);
    if (read !== pageBytes || bytes.readBigUInt64LE(header.page) !== BigInt(page))
      this.#fail('is another', page);
    // LMDB takes a page that is younger than the newest state for one that it is just writing.
    if (bytes.readBigUInt64LE(header.transaction) > this.#transaction)
      this.#fail('is of a transaction that has not been', page);
    return bytes;
  }

  /** Every page belongs to one place. */
  #claim(page: number): void {
    if (page < 2 || page > this.#lastPage) this.#fail(`refers to a page ${page} that it does not have`);
    if (this.#seen[page] !== 0) this.#fail('is referred to twice', page);
    this.#seen[page] = 1;
  }

  #fail(what: string, page?: number): never {
    failAt(this.#file, what, page);
  }
}
