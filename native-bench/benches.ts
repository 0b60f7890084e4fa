/** Every benchmark, in the order in which they run. */
import type { Bench } from './harness/bench.js';
import { inProcess } from './in-process/bench.js';

export const benches: readonly Bench[] = [inProcess];
