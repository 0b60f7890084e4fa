/** Orders to another thread and back as messages: what Node gives for it. */
import { Worker } from 'node:worker_threads';

export class PortPeer {
  readonly #worker = new Worker(new URL('port-worker.js', import.meta.url));
  #sent = 0;
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined = undefined;

  constructor() {
    this.#worker.on('error', (error: Error) => this.#settle?.reject(error));
    this.#worker.on('message', ({ orderNumber }: { readonly orderNumber: number }) => {
      if (orderNumber === this.#sent - 1) this.#settle?.resolve();
      else this.#settle?.reject(new Error('the reply is not to what was asked'));
    });
  }

  async roundTrip(): Promise<void> {
    const orderNumber = this.#sent++;
    const done = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#worker.postMessage({ orderNumber, row: 7, quantity: 1, buyer: 'buyer-0000000001' });
    await done;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
