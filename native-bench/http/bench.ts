/** Orders over HTTP: leiniao beside the ceiling and beside what people would use instead. */
import type { Bench, BenchRun } from '../harness/bench.js';
import { isInMemory } from '../harness/disk.js';
import { findProgram } from '../harness/programs.js';
import { whileRunning } from '../harness/running.js';
import { closedLoop } from './closed-loop.js';
import { latency } from './latency.js';
import { startShops } from './shops.js';

function notes(run: BenchRun): void {
  run.note(
    'In closed loops the load generator shares the cores with the servers. Each server reads HTTP with one thread.',
  );
  if (isInMemory(run.folder)) {
    run.note('The data folders are in memory: fsync costs nothing there, set TMPDIR to a disk.');
  }
}

async function runHttp(run: BenchRun): Promise<void> {
  await whileRunning(async (running) => {
    const shops = await startShops(run, running);
    const wrk = findProgram('wrk');
    if (wrk === undefined)
      run.skip('orders in a closed loop', 'wrk is not installed', 'sudo apt-get install wrk');
    else await closedLoop(run, wrk, shops);
    await latency(run, shops.bare);
    notes(run);
  });
}

export const http: Bench = { name: 'http', title: 'Orders over HTTP', run: runHttp };
