/**
 * The file of a journal's tail, which is written over again and again: a commit of durability `fsync` waits for one flush
 * of blocks that the file has already, where LMDB flushes the data and then its meta page; one of durability `commit`
 * waits for none. Owned by the shard's thread.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Durability } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { diskError, syncDir, writeDurably } from './durable-file.js';
import { requireRoom } from './lmdb.js';
import { emptyTail, type TailContent, tailBlockBytes, tailBlocks, tailContent } from './tail-content.js';

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

export class TailFile {
  readonly #descriptor: number;
  readonly #flushes: boolean;
  /** Where the next record goes, in bytes. */
  #end = tailBlockBytes;

  private constructor(descriptor: number, flushes: boolean) {
    this.#descriptor = descriptor;
    this.#flushes = flushes;
  }

  /**
   * Makes the tail at `path` anew, with nothing in it. It is on disk when this returns.
   *
   * @param durability what `append` waits for
   * @throws LeiniaoError `data_dir_unwritable` or `data_dir_full`
   */
  static create(path: string, durability: Durability): TailFile {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666);
      // All of it: what is left of a history that was given up must not be taken for a part of the next one.
      ftruncateSync(descriptor, 0);
      writeAll(descriptor, emptyTail(durability), 0);
      fsyncSync(descriptor);
      syncDir(dirname(path));
      return new TailFile(descriptor, durability === 'fsync');
    } catch (cause) {
      if (descriptor !== undefined) closeSync(descriptor);
      throw diskError(path, cause);
    }
  }

  /**
   * What is in a tail file; nothing if there is none.
   *
   * @throws LeiniaoError `data_dir_unwritable` where it cannot be read, `data_dir_damaged` where it is no tail
   */
  static read(path: string): TailContent {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(path, error);
      bytes = Buffer.alloc(0);
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
   * @throws whatever the disk reports: nothing was added then
   */
  append(record: Uint8Array): void {
    const end = this.#end + tailBlocks(record) * tailBlockBytes;
    try {
      this.#write(record, end + tailBlockBytes);
      if (this.#flushes) fdatasyncSync(this.#descriptor);
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#end = end;
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

  /** How long the file has to be for what is in it. */
  get bytes(): number {
    return this.#end + tailBlockBytes;
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
