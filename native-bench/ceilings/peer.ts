/**
 * A worker thread that does one kind of work at a time, on command. The commanding thread blocks until the worker says
 * that it is done, so a measurement need not wait for anybody's event loop, and takes no core from those it measures.
 *
 *   word 0   command: 0 while there is none    word 32  result of the last command, by the worker's own agreement
 */
import { Worker } from 'node:worker_threads';

const noCommand = 0;
const resultWord = 32;
const peerBytes = 256;
/** What takes a thread longer will never be done. */
export const doneMsMax = 30_000;
/** Looks at shared memory between two at the clock. */
const looksAtOnce = 1 << 20;

/** The commanding side. */
export class Peer {
  readonly #words = new Int32Array(new SharedArrayBuffer(peerBytes));
  readonly #worker: Worker;
  #failure: Error | undefined = undefined;
  #command = noCommand;

  /** Starts `file`, which calls `obey` with what it finds as `workerData.control`. */
  constructor(file: URL, workerData: object = {}) {
    this.#worker = new Worker(file, { workerData: { ...workerData, control: this.#words.buffer } });
    this.#worker.on('error', (error: Error) => {
      this.#failure = error;
    });
  }

  /** Lets the worker begin with `command`, which is not 0. */
  begin(command: number): void {
    this.#command = command;
    Atomics.store(this.#words, 0, command);
    Atomics.notify(this.#words, 0);
  }

  /** Blocks until the command that was begun is done, and returns the words of its result. */
  end(): Int32Array {
    if (Atomics.wait(this.#words, 0, this.#command, doneMsMax) === 'timed-out') {
      throw notDone();
    }
    return this.#words.subarray(resultWord);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** Looks without pause until another thread has made it so. */
export function spinUntil(ready: () => boolean): void {
  const deadlineMs = performance.now() + doneMsMax;
  do {
    for (let i = 0; i < looksAtOnce; i++) if (ready()) return;
  } while (performance.now() < deadlineMs);
  throw notDone();
}

export function notDone(): Error {
  return new Error(`a thread has not done its part after ${doneMsMax} ms`);
}

/** Ends peers after `use`, whatever came of it. */
export async function withPeers<T>(
  peers: readonly { stop(): Promise<void> }[],
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
}

/** The worker's side: carries commands out for ever. `work` writes its result to the words it is given. */
export function obey(control: SharedArrayBuffer, work: (command: number, result: Int32Array) => void): never {
  const words = new Int32Array(control);
  const result = words.subarray(resultWord);
  for (;;) {
    Atomics.wait(words, 0, noCommand);
    work(Atomics.load(words, 0), result);
    // The store orders after the plain writes of the result: whoever sees that there is no command sees them.
    Atomics.store(words, 0, noCommand);
    Atomics.notify(words, 0);
  }
}
