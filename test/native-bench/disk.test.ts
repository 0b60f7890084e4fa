/** The benchmarks know whether a folder is in memory. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isInMemory } from '../../native-bench/harness/disk.js';

test.runIf(existsSync('/dev/shm'))(
  'shared memory is in memory, and what the kernel shows is not a tmpfs',
  () => {
    expect(isInMemory('/dev/shm')).toBe(true);
    expect(isInMemory('/proc')).toBe(false);
  },
);
