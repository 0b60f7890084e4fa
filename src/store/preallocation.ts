/**
 * Room that is written ahead, beyond the last page of a database's file. A commit that makes its file longer, or fills a hole
 * in it, has to bring the file's metadata to disk as well (fdatasync(2)): one more wait on the way to an acknowledgement.
 * One that overwrites has not. Write-ahead logs are prepared in the same way (PostgreSQL's `wal_init_zero`). Owned by the
 * thread that writes the file.
 */
import { fstatSync, writeSync } from 'node:fs';
import { limits } from '../config.js';
import { pageBytes } from './lmdb-layout.js';

const zeros = Buffer.alloc(limits.preallocatedBytes / 4);

/**
 * Makes the file longer where what is behind `lastPage` may not hold the next commit. To be called before that commit has
 * written anything: what it brings to disk includes the new length.
 *
 * @param descriptor of the file, open for writing; nobody else makes it longer but LMDB in this thread
 * @param bytes of the commit's records. Where they are many, LMDB makes the file longer itself: to write them twice costs
 *   more than the metadata.
 * @throws Error what the disk reports
 */
export function makeRoom(descriptor: number, lastPage: number, bytes: number): void {
  if (bytes > limits.preallocatedBytes / 4) return;
  const used = (lastPage + 1) * pageBytes;
  // Asked every time, because LMDB makes it longer as well: what it wrote is not for us to overwrite.
  let end = fstatSync(descriptor).size;
  if (end >= used + bytes + limits.commitPagesBytes) return;
  const until = used + limits.preallocatedBytes;
  while (end < until) end += writeSync(descriptor, zeros, 0, Math.min(zeros.length, until - end), end);
}
