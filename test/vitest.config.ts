/**
 * Processes rather than threads: a live uWebSockets.js app must not share a thread's end with anything else. Files share
 * them, because to load the engine takes longer than most files do with it: what a test changes of a module it puts back.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    cache: false,
  },
});
