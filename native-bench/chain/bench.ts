/** What the hash chain costs: the same batches into a durable store, sealed with SHA-256 and not. */
import type { Bench, BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import type { ChainRates, ChainSettings } from './child.js';

const batchesIn = { smoke: 20, quick: 200, full: 400 };
const ordersPerBatch = 512;

/** What hashing may cost: a tenth. */
const ratioMin = 0.9;

async function run(run: BenchRun): Promise<void> {
  const batches = batchesIn[run.profile.name];
  const settings: ChainSettings = { folder: run.folder, batches, ordersPerBatch };
  const child = new URL('./child.js', import.meta.url);
  const sealed: number[] = [];
  const unsealed: number[] = [];
  await measureInChild<ChainSettings, ChainRates, void>(child, settings, async ({ measure }) => {
    for (let round = 0; round <= run.profile.rounds; round++) {
      const rates = await measure(round);
      if (round === 0) continue;
      sealed.push(rates.sealed);
      unsealed.push(rates.unsealed);
      const text = `${Math.round(rates.sealed)}, off ${Math.round(rates.unsealed)}`;
      run.say(`round ${round}: hash chain on ${text} orders/s`);
    }
  });
  run.keep(
    {
      name: `${batches} batches of ${ordersPerBatch} keyed orders into a store, durability fsync`,
      ...{ unit: 'orders/s', better: 'higher' },
      ratios: [{ of: 'hash chain on', to: 'hash chain off', target: ratioMin }],
    },
    { 'hash chain on': sealed, 'hash chain off': unsealed },
  );
  run.note(
    'Batch and store only: decision, rings and HTTP come on top in an engine, so there the share of the hash is smaller.',
  );
}

export const chain: Bench = {
  ...{ name: 'chain', title: 'The hash chain: a journal sealed with SHA-256 beside one that is not' },
  run,
};
