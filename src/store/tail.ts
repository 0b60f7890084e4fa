/**
 * The write-behind tail of durability `commit`: records handed to the operating system but not yet in LMDB. They
 * outlive the process, not a power cut; then the hash chain tells how far the file can be believed. Owned by the
 * shard's thread.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { commitHeadBytes, commitLayout } from './batch.js';

export class TailFile {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'a+');
  }

  /** The records in a tail file, oldest first, up to the first that is incomplete. Empty if there is no file. */
  static read(path: string): Buffer[] {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const records: Buffer[] = [];
    for (let at = 0; at + commitHeadBytes <= bytes.length; ) {
      const words = bytes.readUInt32LE(at + commitLayout.words * 4);
      const end = at + commitHeadBytes + words * 4;
      if (end > bytes.length) break;
      records.push(bytes.subarray(at, end));
      at = end;
    }
    return records;
  }

  /** Hands a record to the operating system. */
  append(record: Uint8Array): void {
    for (let written = 0; written < record.length; ) {
      written += writeSync(this.#descriptor, record, written);
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
