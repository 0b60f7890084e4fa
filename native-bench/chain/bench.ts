/** What the hash chain costs: the same batches into a durable store, sealed with SHA-256 and not. */
import type { Bench, BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import type { ChainRates, ChainSettings } from './child.js';

const batchesIn = { smoke: 20, quick: 200, full: 400 };
const ordersPerBatch = 512;

/** What hashing may cost: a tenth. */
const ratioMin = 0.9;

async function measureChain(run: BenchRun): Promise<void> {
  const batches = batchesIn[run.profile.name];
  const settings: ChainSettings = { folder: run.folder, batches, ordersPerBatch };
  const child = new URL('./child.js', import.meta.url);
  const name = `${batches} batches of ${ordersPerBatch} keyed orders into a store, durability fsync`;
  const heard = (_: string, round: number, { sealed, unsealed }: ChainRates) => {
    if (round === 0) return;
    run.say(`round ${round}: hash chain on ${Math.round(sealed)}, off ${Math.round(unsealed)} orders/s`);
  };
  // One contender: the two stores take their turns in the child, batch by batch.
  const contender = 'hash chain on and off';
  const measured = await measureInChild<ChainSettings, ChainRates, Map<string, ChainRates[]>>(
    child,
    settings,
    ({ measure }) => run.turns([{ name: contender, measure }], heard, { name }),
  );
  const rounds = measured.get(contender)!;
  run.keep(
    {
      name,
      ...{ unit: 'orders/s', better: 'higher' },
      ratios: [{ of: 'hash chain on', to: 'hash chain off', target: ratioMin }],
    },
    {
      'hash chain on': rounds.map(({ sealed }) => sealed),
      'hash chain off': rounds.map(({ unsealed }) => unsealed),
    },
  );
  run.note(
    'Batch and store only: decision, rings and HTTP come on top in an engine, so there the share of the hash is smaller.',
  );
}

export const chain: Bench = {
  ...{ name: 'chain', title: 'The hash chain: a journal sealed with SHA-256 beside one that is not' },
  run: measureChain,
};
