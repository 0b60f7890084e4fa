/** Every benchmark, in the order in which they run. */
import type { Bench } from './harness/bench.js';
import { scaling } from './scaling/scaling.js';

export const benches: readonly Bench[] = [scaling];
