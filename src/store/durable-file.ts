/** Files that are on disk once they are written. Used by whichever thread owns the file. */
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { LeiniaoError } from '../errors.js';

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

/** A start error for what the file system said of `path`. */
export function diskError(path: string, cause: unknown): LeiniaoError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new LeiniaoError('data_dir_full', `no space is left for ${path}`, { cause })
    : new LeiniaoError('data_dir_unwritable', `${path} cannot be used: ${message}`, { cause });
}
