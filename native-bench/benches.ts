/** Every benchmark, in the order in which they run. */
import type { Bench } from './harness/bench.js';
import { http } from './http/bench.js';

export const benches: readonly Bench[] = [http];
