/**
 * The file of a journal's tail, which is written over again and again: a commit of durability `fsync` waits for one flush,
 * where LMDB flushes the data and then its meta page, and, once the file has grown to what is needed, for one of blocks
 * that it has already; a commit of durability `commit` waits for none. Owned by the shard's thread.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { assert } from '../assert.js';
import { type Durability, limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { commitBytesMax } from './batch.js';
import { diskError, syncDir, writeDurably } from './durable-file.js';
import { requireRoom } from './lmdb.js';
import { emptyTail, type TailContent, tailBlockBytes, tailBlocks, tailContent } from './tail-content.js';

assert(
  commitBytesMax + 3 * tailBlockBytes <= limits.tailBytesMax,
  'a tail holds any commit, its head and its end',
);

/** In a shard's folder. */
export const tailFile = 'tail.bin';
const tornPrefix = `${tailFile}.torn-`;

/** Behind a record: what fills its last block up, and the block that ends the tail. */
const zeros = Buffer.alloc(2 * tailBlockBytes);

/**
 * Puts the tail in a shard's folder aside, in a file of its own. It is on disk when this returns.
 *
 * @param commit the first commit that it did not give
 * @throws LeiniaoError `data_dir_full`
 */
export function putTailAside(path: string, commit: number): void {
  const bytes = readFileSync(join(path, tailFile));
  requireRoom(path, bytes.length);
  const base = join(path, `${tornPrefix}${commit}`);
  let copy = base;
  // The same commit may be lost more than once.
  for (let again = 2; existsSync(copy); again++) copy = `${base}-${again}`;
  try {
    writeDurably(copy, bytes, 'wx');
  } catch (error) {
    // The tail is still there: half a copy of it helps nobody.
    rmSync(copy, { force: true });
    throw error;
  }
  syncDir(path);
}

/**
 * Checks that the folder of a shard still has its tail: what that may have had is nowhere else.
 *
 * @throws LeiniaoError `data_dir_damaged`, or `data_dir_unwritable` where it cannot be looked at
 */
export function requireTail(path: string): void {
  const file = join(path, tailFile);
  let isThere: boolean;
  try {
    isThere = statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    throw diskError(file, cause);
  }
  if (!isThere) throw new LeiniaoError('data_dir_damaged', `${file} is missing`);
}

/** The files in a shard's folder in which tails were put aside. */
export function tailsAside(path: string): string[] {
  const names = readdirSync(path).filter((name) => name.startsWith(tornPrefix));
  return names.sort().map((name) => join(path, name));
}

export class TailFile {
  readonly #descriptor: number;
  readonly #flushes: boolean;
  /** Where the next record goes, in bytes. */
  #end = tailBlockBytes;
  /** How long the file is, in bytes. */
  #length = 2 * tailBlockBytes;

  private constructor(descriptor: number, flushes: boolean) {
    this.#descriptor = descriptor;
    this.#flushes = flushes;
  }

  /**
   * Puts a new tail, with nothing in it, in the place of the one at `path`, if any. It is on disk when this returns.
   *
   * @param durability what `append` waits for
   * @throws LeiniaoError `data_dir_unwritable` or `data_dir_full`: the old one is still there
   */
  static create(path: string, durability: Durability): TailFile {
    const made = `${path}.new`;
    try {
      // A file of its own: what is left of a history that was given up must not be taken for a part of the next one.
      writeDurably(made, emptyTail(durability));
      renameSync(made, path);
      syncDir(dirname(path));
      return new TailFile(openSync(path, 'r+'), durability === 'fsync');
    } catch (cause) {
      throw diskError(path, cause);
    }
  }

  /**
   * What is in a tail file; undefined if there is none.
   *
   * @throws LeiniaoError `data_dir_unwritable` where it cannot be read, `data_dir_damaged` where it is no tail
   */
  static read(path: string): TailContent | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw diskError(path, error);
    }
    try {
      return tailContent(bytes);
    } catch (cause) {
      throw new LeiniaoError('data_dir_damaged', `${path}: ${(cause as Error).message}`, { cause });
    }
  }

  /**
   * Adds a record. When this returns it is on disk (`fsync`), or with the operating system.
   *
   * @throws whatever the disk reports: then the next start may find the record or not, and nobody was told of it
   */
  append(record: Uint8Array): void {
    const until = this.bytesWith(record);
    try {
      this.#write(record, until);
      if (this.#flushes) fdatasyncSync(this.#descriptor);
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#end = until - tailBlockBytes;
    this.#length = Math.max(this.#length, until);
  }

  /** Writes a record at the end, and zeros from there to byte `until`. */
  #write(record: Uint8Array, until: number): void {
    let at = this.#end;
    const recordEnd = at + record.length;
    const fill = zeros.subarray(0, until - recordEnd);
    at += writevSync(this.#descriptor, [record, fill], at);
    if (at < recordEnd) at = writeAll(this.#descriptor, record.subarray(at - this.#end), at);
    if (at < until) writeAll(this.#descriptor, fill.subarray(at - recordEnd), at);
  }

  /** Ends the tail where it ended: half a record would look like what a power cut leaves, and nobody was promised it. */
  #takeBack(): void {
    try {
      writeAll(this.#descriptor, zeros.subarray(0, tailBlockBytes), this.#end);
    } catch {
      // Then it looks like that. What failed before is what counts.
    }
  }

  /** How long the file has to be for what is in it, and for a record more, in bytes. */
  bytesWith(record: Uint8Array): number {
    return this.#end + (tailBlocks(record) + 1) * tailBlockBytes;
  }

  /** By how many bytes a record would make the file longer. */
  growthFor(record: Uint8Array): number {
    return Math.max(0, this.bytesWith(record) - this.#length);
  }

  /** Forgets every record: they are in LMDB now. The next one is written over the first. */
  clear(): void {
    this.#end = tailBlockBytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Returns where it ended. */
function writeAll(descriptor: number, bytes: Uint8Array, at: number): number {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, at + written);
  }
  return at + written;
}
