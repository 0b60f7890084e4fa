/** A thread that takes units off a counter one by one, together with others. See `subtraction.ts`. */
import { workerData } from 'node:worker_threads';
import { monotonicMs } from '#dist/clock.js';
import { obey } from './peer.js';
import { type SubtractionTask, startWords } from './subtraction-task.js';

const { control, counters, start, times, thread, counterWord } = workerData as SubtractionTask & {
  readonly control: SharedArrayBuffer;
};
const words = new Int32Array(counters);
const started = new Int32Array(start);
const timesMs = new Float64Array(times);

function take(at: number, count: number): void {
  for (let i = 0; i < count; i++) Atomics.sub(words, at, 1);
}

obey(control, (command) => {
  // Whoever is awake waits for the others: what is measured is all of them at once, and not their waking up.
  Atomics.sub(started, startWords.missing, 1);
  while (Atomics.load(started, startWords.missing) > 0);
  const startedMs = monotonicMs();
  take(counterWord[command]!, started[startWords.units]!);
  timesMs[2 * thread] = startedMs;
  timesMs[2 * thread + 1] = monotonicMs();
});
