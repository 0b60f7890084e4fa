/** Every benchmark, in the order in which they run. */
<<<<<<< HEAD
import { audit } from './audit/bench.js';
import { chain } from './chain/bench.js';
=======
import { ceilings } from './ceilings/ceilings.js';
>>>>>>> bench-ceilings
import type { Bench } from './harness/bench.js';
<<<<<<< HEAD
import { http } from './http/bench.js';
import { recovery } from './recovery/bench.js';
import { shardRestart } from './shard-restart/bench.js';

<<<<<<< HEAD
export const benches: readonly Bench[] = [http, recovery, audit, chain, shardRestart];
=======
import { inProcess } from './in-process/bench.js';

export const benches: readonly Bench[] = [inProcess];
>>>>>>> bench-inprocess
=======
export const benches: readonly Bench[] = [ceilings];
>>>>>>> bench-ceilings
