/** Worker threads of a test: started from plain JavaScript in this folder, awaited, and never left behind. */
import { Worker } from 'node:worker_threads';

export class Threads {
  readonly #workers = new Set<Worker>();

  /**
   * Runs `script` in a thread of its own and resolves to what it posts. Rejects with its exception, and when it ends
   * without a word.
   */
  run<T>(script: string, data: object): Promise<T> {
    const worker = new Worker(new URL(script, import.meta.url), { workerData: data });
    this.#workers.add(worker);
    return new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => {
        this.#workers.delete(worker);
        reject(new Error(`${script} ended without a result`));
      });
    });
  }

  /** Ends every thread that still runs: those of a test that failed. */
  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#workers, (worker) => worker.terminate()));
  }
}
