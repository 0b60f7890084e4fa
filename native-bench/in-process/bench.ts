/** `placeOrders` in the caller's own process, beside the same decision in C++, Redis, and LMDB alone. */
import type { Bench } from '../harness/bench.js';
import { fsyncContest } from './fsync-contest.js';
import { memoryContest } from './memory-contest.js';

export const inProcess: Bench = {
  name: 'in-process',
  title: 'Orders in process, in batches of 1,000',
  run: async (run) => {
    await memoryContest(run);
    await fsyncContest(run);
  },
};
