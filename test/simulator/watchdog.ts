/**
 * Names the seed that a run of many ends with, when it does not end well: with an error that nobody caught, or never. A
 * loop without an end lets no timer of its thread run, so a thread of its own looks at the main one.
 */
import { writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/** A seed takes well under a second. */
const patienceMs = 120_000;

function blame(seed: number, why: string): void {
  // At once: whoever comes here may have no time for anything else.
  writeSync(2, `seed ${seed} ${why}; run it again with: npm run simulate:seed -- ${seed}\n`);
}

export class Watchdog {
  /** The seed, and how many there have been. */
  readonly #watched = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(new URL(import.meta.url), { workerData: this.#watched.buffer });

  constructor() {
    process.on('uncaughtExceptionMonitor', () => blame(this.#watched[0]!, 'ends with an error'));
  }

  /** A seed begins. */
  watch(seed: number): void {
    Atomics.store(this.#watched, 0, seed);
    Atomics.add(this.#watched, 1, 1);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

if (!isMainThread) {
  const watched = new Int32Array(workerData as SharedArrayBuffer);
  for (;;) {
    const before = Atomics.load(watched, 1);
    // Nobody rings it: this is a sleep.
    Atomics.wait(watched, 1, before, patienceMs);
    if (Atomics.load(watched, 1) !== before) continue;
    blame(Atomics.load(watched, 0), `has not ended within ${patienceMs / 1_000} s`);
    process.kill(process.pid, 'SIGKILL');
  }
}
