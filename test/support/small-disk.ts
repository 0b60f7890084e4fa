/** A disk of a test's own: a small tmpfs, filled or made read-only at will. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { makeTempDir, removeTempDir } from './temp-dir.js';

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(
    `${[command, ...args].join(' ')}: ${error?.message ?? stderr.trim()}. This test mounts a tmpfs, which takes root ` +
      '(CAP_SYS_ADMIN) on Linux: run it there, or set LEINIAO_TEST_NO_MOUNT=1 to leave out what needs a mount.',
  );
}

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #ballast: string;

  /** Mounts a disk; it goes when the running test ends. Whatever uses it must have ended before. */
  constructor(megabytes: number) {
    this.path = makeTempDir();
    this.#ballast = join(this.path, 'ballast');
    onTestFinished(() => {
      // Lazily, so that a process that is still about to end cannot keep it.
      spawnSync('umount', ['--lazy', this.path]);
      removeTempDir(this.path);
    });
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'leiniao-test', this.path);
  }

  /** Takes all the space there is left but for so many bytes. */
  fill(leave = 0): void {
    const descriptor = openSync(this.#ballast, 'a');
    let size = 0;
    for (let block = 1 << 16; block >= 4_096; ) {
      try {
        size += writeSync(descriptor, Buffer.alloc(block));
      } catch {
        block /= 2;
      }
    }
    closeSync(descriptor);
    if (leave > 0) run('truncate', '--size', String(Math.max(0, size - leave)), this.#ballast);
  }

  /** Gives it all back. */
  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  mountReadOnly(): void {
    run('mount', '-o', 'remount,ro', this.path);
  }

  mountWritable(): void {
    run('mount', '-o', 'remount,rw', this.path);
  }
}
