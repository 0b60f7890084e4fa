/** Every benchmark, in the order in which they run. */
import { audit } from './audit/bench.js';
import { ceilings } from './ceilings/ceilings.js';
import { chain } from './chain/bench.js';
import type { Bench } from './harness/bench.js';
import { http } from './http/bench.js';
import { inProcess } from './in-process/bench.js';
import { recovery } from './recovery/bench.js';
import { scaling } from './scaling/scaling.js';
import { shardRestart } from './shard-restart/bench.js';

export const benches: readonly Bench[] = [
  http,
  inProcess,
  scaling,
  ceilings,
  recovery,
  audit,
  chain,
  shardRestart,
];
