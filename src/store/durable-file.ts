/** Files that are on disk once they are written. Used by whichever thread owns the file. */
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';

/** Writes a file and has the disk take it. Its name is durable once `syncDir` has done the same for its folder. */
export function writeDurably(file: string, bytes: Uint8Array, flag: 'w' | 'wx' = 'w'): void {
  writeFileSync(file, bytes, { flag, flush: true });
}

/** A file's name is durable once its folder is. */
export function syncDir(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
