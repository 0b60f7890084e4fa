/**
 * The write-behind tail of durability `commit`: records handed to the operating system but not yet in LMDB. They
 * outlive the process, not a power cut; then the hash chain tells how far the file can be believed. Owned by the
 * shard's thread.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { commitHeadBytes, commitLayout } from './batch.js';
import { diskError, syncDir, writeDurably } from './durable-file.js';
import { requireRoom } from './lmdb.js';

/** In a shard's folder. */
export const tailFile = 'tail.bin';
const tornPrefix = `${tailFile}.torn-`;

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

/** What is in a tail file. */
export interface TailContent {
  /** Oldest first, up to the first that is incomplete. */
  readonly records: Buffer[];
  /** Bytes behind them. */
  readonly tornBytes: number;
}

export class TailFile {
  readonly #descriptor: number;

  /** @throws LeiniaoError `data_dir_unwritable` or `data_dir_full` */
  constructor(path: string) {
    try {
      this.#descriptor = openSync(path, 'a+');
    } catch (cause) {
      throw diskError(path, cause);
    }
  }

  /**
   * What is in a tail file; nothing if there is none.
   *
   * @throws LeiniaoError `data_dir_unwritable` where it cannot be read
   */
  static read(path: string): TailContent {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { records: [], tornBytes: 0 };
      throw diskError(path, error);
    }
    const records: Buffer[] = [];
    let at = 0;
    while (at + commitHeadBytes <= bytes.length) {
      const words = bytes.readUInt32LE(at + commitLayout.words * 4);
      const end = at + commitHeadBytes + words * 4;
      if (end > bytes.length) break;
      records.push(bytes.subarray(at, end));
      at = end;
    }
    return { records, tornBytes: bytes.length - at };
  }

  /** Hands a record to the operating system. */
  append(record: Uint8Array): void {
    let written = 0;
    try {
      while (written < record.length) written += writeSync(this.#descriptor, record, written);
    } catch (error) {
      // Half a record would look like what a power cut leaves, and nobody was promised the other half.
      ftruncateSync(this.#descriptor, fstatSync(this.#descriptor).size - written);
      throw error;
    }
  }

  /** Forgets every record: they are in LMDB now. */
  clear(): void {
    ftruncateSync(this.#descriptor, 0);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
