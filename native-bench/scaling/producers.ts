/** The producers' threads, as the main thread of a measurement sees them. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SaleRecord } from '#dist/sale/catalogue.js';
import type {
  ProducerLoaded,
  ProducerOrder,
  ProducerReady,
  ProducerReport,
  ProducerRun,
  ProducerSale,
  ProducerTask,
} from './producer-task.js';

/** What a worker says next. Rejects where it fails. */
async function word<T>(worker: Worker): Promise<T> {
  const [message] = (await once(worker, 'message')) as [T];
  return message;
}

export class Producers {
  readonly #workers: readonly Worker[];
  /** Ids of their threads. */
  threads: readonly string[] = [];

  constructor(tasks: readonly ProducerTask[]) {
    const program = new URL('./producer.js', import.meta.url);
    this.#workers = tasks.map((task) => new Worker(program, { workerData: task }));
  }

  /** Resolves when all of them have loaded. */
  async loaded(): Promise<void> {
    const said = await Promise.all(this.#workers.map((worker) => word<ProducerLoaded>(worker)));
    this.threads = said.map(({ thread }) => thread);
  }

  /** Tells them of the sale. Resolves to what making a request takes them, in ns. */
  async take(record: SaleRecord): Promise<number> {
    const ready = this.#workers.map((worker) => word<ProducerReady>(worker));
    for (const worker of this.#workers) worker.postMessage({ record } satisfies ProducerSale);
    const costs = (await Promise.all(ready)).map(({ requestNs }) => requestNs);
    return costs.reduce((total, cost) => total + cost, 0) / costs.length;
  }

  /** All of them at once, until the last one has its last reply. */
  async run(run: ProducerRun): Promise<ProducerReport[]> {
    const reports = this.#workers.map((worker) => word<ProducerReport>(worker));
    for (const worker of this.#workers) worker.postMessage(run satisfies ProducerOrder);
    return await Promise.all(reports);
  }

  async end(): Promise<void> {
    const gone = this.#workers.map((worker) => once(worker, 'exit'));
    for (const worker of this.#workers) worker.postMessage('end' satisfies ProducerOrder);
    await Promise.all(gone);
  }
}
