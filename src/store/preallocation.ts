/**
 * Room that is written ahead, beyond the last page of a database's file. A commit that makes its file longer, or fills a hole
 * in it, has to bring the file's metadata to disk as well (fdatasync(2)): one more wait for who waits for the disk. One that
 * overwrites has not, where the file system overwrites in place (ext4 and XFS do, btrfs and ZFS do not). Write-ahead logs are
 * prepared in the same way (PostgreSQL's `wal_init_zero`). Called by the thread that writes the file.
 */
import { fstatSync, writeSync } from 'node:fs';
import { limits } from '../config.js';
import { pageBytes } from './lmdb-layout.js';

const zeros = Buffer.alloc(64 * 1024);

/**
 * Makes the file longer where what is behind `lastPage` may not hold the next commit. To be called before that commit has
 * written anything: what it brings to disk includes the new length. Room ahead saves time, and is not needed: where the disk
 * is nearly full there is none, and LMDB makes the file longer as it goes.
 *
 * @param descriptor of the file, open for writing; nobody else makes it longer but LMDB in this thread
 * @param lastPage that the database has ever used
 * @param bytes of the commit's records
 * @param spareBytes that are free on the disk beside those the commit needs
 * @throws Error what the disk reports
 */
export function makeRoom(descriptor: number, lastPage: number, bytes: number, spareBytes: number): void {
  if (bytes > limits.preallocatedForBytesMax || spareBytes < limits.preallocatedBytes) return;
  const used = (lastPage + 1) * pageBytes;
  // Asked every time, because LMDB makes it longer as well: what it wrote is not for us to overwrite.
  let end = fstatSync(descriptor).size;
  if (end >= used + bytes + limits.commitPagesBytes) return;
  const until = used + limits.preallocatedBytes;
  while (end < until) end += writeSync(descriptor, zeros, 0, Math.min(zeros.length, until - end), end);
}
