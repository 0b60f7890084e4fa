/** Disks of a test's own, filled, made read-only or broken at will: a small tmpfs, and an ext4 in a file. */
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

  /**
   * Mounts a disk; it goes when the running test ends. Whatever uses it must have ended before.
   *
   * @param files how many files and folders it may have, itself included; 0 for any number
   */
  constructor(megabytes: number, files = 0) {
    this.path = makeTempDir();
    this.#ballast = join(this.path, 'ballast');
    onTestFinished(() => {
      // Lazily, so that a process that is still about to end cannot keep it.
      spawnSync('umount', ['--lazy', this.path]);
      removeTempDir(this.path);
    });
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,nr_inodes=${files}`, 'leiniao-test', this.path);
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

  /** Lays a read-only view over the disk: what is open already can still be written, nothing else can. */
  cover(): void {
    run('mount', '--bind', '-o', 'ro', this.path, this.path);
  }

  /** Lazily: a shard that just tries to start may have a file of it open. */
  uncover(): void {
    run('umount', '--lazy', this.path);
  }
}

/** A disk that can fail under a process which has files open on it. */
export class BreakableDisk {
  readonly path = makeTempDir();
  readonly #image = makeTempDir();

  /** Mounts a disk; it goes when the running test ends. Whatever uses it must have ended before. */
  constructor(megabytes: number) {
    const file = join(this.#image, 'disk');
    onTestFinished(() => {
      spawnSync('umount', ['--lazy', this.path]);
      removeTempDir(this.path);
      removeTempDir(this.#image);
    });
    run('truncate', '--size', `${megabytes}M`, file);
    run('mkfs.ext4', '-q', file);
    this.#mount();
  }

  #mount(): void {
    run('mount', '-o', 'loop', join(this.#image, 'disk'), this.path);
  }

  /** What ext4 does when the device below it fails: no write succeeds from now on, through open files neither. */
  fail(): void {
    // It reports the failure that it was asked for.
    spawnSync('mount', ['-o', 'remount,abort', this.path]);
  }

  /** Makes it writable again. Nobody may have a file open on it. */
  repair(): void {
    run('umount', this.path);
    this.#mount();
  }
}
