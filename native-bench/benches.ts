/** Every benchmark, in the order in which they run. */
import { ceilings } from './ceilings/ceilings.js';
import type { Bench } from './harness/bench.js';

export const benches: readonly Bench[] = [ceilings];
