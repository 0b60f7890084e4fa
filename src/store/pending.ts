/**
 * Sealed records that are in a journal's tail and not in LMDB yet, copied one behind the other into a buffer that is used
 * again and again: a system takes longer to give a new page than to copy into one that is there. Owned by the shard's
 * thread.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { roomFor } from './journal.js';

export class PendingRecords {
  readonly #buffer = Buffer.allocUnsafeSlow(limits.tailBytesMax);
  #records: Uint8Array[] = [];
  #bytes = 0;
  #roomBytes = 0;

  /** Oldest first. Valid until `clear`. */
  get records(): readonly Uint8Array[] {
    return this.#records;
  }

  /** Bytes that LMDB takes for all of them at most. */
  get roomBytes(): number {
    return this.#roomBytes;
  }

  add(record: Uint8Array): void {
    const end = this.#bytes + record.length;
    assert(end <= this.#buffer.length, 'what waits for LMDB is no more than a tail holds');
    this.#buffer.set(record, this.#bytes);
    this.#records.push(this.#buffer.subarray(this.#bytes, end));
    this.#bytes = end;
    this.#roomBytes += roomFor(record);
  }

  clear(): void {
    this.#records = [];
    this.#bytes = 0;
    this.#roomBytes = 0;
  }
}
