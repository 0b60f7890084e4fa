/** What the parts can do at best, each by itself: no engine can be faster than what it is made of. */
import type { Bench } from '../harness/bench.js';
import { measureBuyers } from './buyers.js';
import { measureGroupCommit } from './group-commit.js';
import { measureRingHop } from './ring-hop.js';
import { measureSaleRecord } from './sale-record.js';
import { measureSubtraction } from './subtraction.js';

export const ceilings: Bench = {
  name: 'ceilings',
  title: 'What the parts can do at best',
  run: async (run) => {
    await measureSubtraction(run);
    await measureRingHop(run);
    await measureBuyers(run);
    await measureSaleRecord(run);
    await measureGroupCommit(run);
  },
};
