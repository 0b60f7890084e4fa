/** Every benchmark, in the order in which they run. */
import { audit } from './audit/bench.js';
import { chain } from './chain/bench.js';
import type { Bench } from './harness/bench.js';
<<<<<<< HEAD
import { http } from './http/bench.js';
import { recovery } from './recovery/bench.js';
import { shardRestart } from './shard-restart/bench.js';

export const benches: readonly Bench[] = [http, recovery, audit, chain, shardRestart];
=======
import { inProcess } from './in-process/bench.js';

export const benches: readonly Bench[] = [inProcess];
>>>>>>> bench-inprocess
