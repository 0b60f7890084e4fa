/**
 * Room that is written ahead, beyond the last page of a database's file. A commit that makes its file longer, or fills a hole
 * in it, has to bring the file's metadata to disk as well (fdatasync(2)): one more wait for who waits for the disk. One that
 * overwrites has not, where the file system overwrites in place (ext4 and XFS do, btrfs and ZFS do not). Write-ahead logs are
 * prepared in the same way (PostgreSQL's `wal_init_zero`). Called by the thread that writes the file.
 */
import { fstatSync, writeSync } from 'node:fs';
import { limits } from '../config.js';
import { diskError } from './durable-file.js';
import { pageBytes } from './lmdb-layout.js';

const zeros = Buffer.alloc(64 * 1024);

/** The room ahead in one database's file. */
export class RoomAhead {
  readonly #path: string;
  readonly #descriptor: number;
  /** Bytes that the file has at least: as many as it had when it was last asked for, or made longer. */
  #end = 0;

  /**
   * @param path of the file
   * @param descriptor of it, open for writing; nobody makes it shorter, and nobody else longer but LMDB in this thread
   */
  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /**
   * Makes the file longer where what is behind `lastPage` may not hold the next commit. To be called before that commit has
   * written anything: what it brings to disk includes the new length. Room ahead saves time, and is not needed: where the
   * disk has little to spare there is none, and LMDB makes the file longer as it goes.
   *
   * @param lastPage that the database has ever used
   * @param bytes of the commit's records
   * @param spareBytes that are free on the disk beside those the commit needs
   * @throws LeiniaoError `data_dir_full` or `data_dir_unwritable`
   */
  ensure(lastPage: number, bytes: number, spareBytes: number): void {
    if (bytes > limits.preallocatedForBytesMax || spareBytes < limits.preallocationSpareBytes) return;
    const used = (lastPage + 1) * pageBytes;
    const needed = used + bytes + limits.commitPagesBytes;
    // Not asked where it is known: who looks at a file's times is given finer ones by Linux (6.13 and later; ext4, XFS, btrfs,
    // tmpfs). Then the inode changes with every commit, and not once a tick; ext4 without a journal writes it at every flush.
    if (this.#end >= needed) return;
    // Asked anew, because LMDB makes it longer as well: what it wrote is not for us to overwrite.
    this.#end = fstatSync(this.#descriptor).size;
    if (this.#end >= needed) return;
    this.#lengthen(used + limits.preallocatedBytes);
  }

  #lengthen(until: number): void {
    try {
      while (this.#end < until) {
        const length = Math.min(zeros.length, until - this.#end);
        this.#end += writeSync(this.#descriptor, zeros, 0, length, this.#end);
      }
    } catch (cause) {
      throw diskError(this.#path, cause);
    }
  }
}
