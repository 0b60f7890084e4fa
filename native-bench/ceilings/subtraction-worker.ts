/** A thread that takes units off a counter one by one, together with others. See `subtraction.ts`. */
import { workerData } from 'node:worker_threads';
import { obey } from './peer.js';

const { control, counters, start, counterWord, units } = workerData as {
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly start: SharedArrayBuffer;
  /** By command: the word of the counter. */
  readonly counterWord: readonly number[];
  readonly units: number;
};
const words = new Int32Array(counters);
const waiting = new Int32Array(start);

function take(at: number, count: number): void {
  for (let i = 0; i < count; i++) Atomics.sub(words, at, 1);
}

obey(control, (command) => {
  // Whoever is awake waits for the others: what is measured is all of them at once.
  Atomics.sub(waiting, 0, 1);
  while (Atomics.load(waiting, 0) > 0);
  take(counterWord[command]!, units);
});
