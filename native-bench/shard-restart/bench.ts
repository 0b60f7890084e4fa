/**
 * A shard that fails with many orders, beside one that goes on selling: how long until it is open again, and what the
 * other one's buyers notice.
 */
import { limits } from '#dist/config.js';
import type { Bench, BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import type { RestartRound, RestartSettings } from './child.js';

const ordersIn = { smoke: 20_000, quick: 100_000, full: 1_000_000 };
const concurrency = 64;

async function measureRestarts(run: BenchRun): Promise<void> {
  const orders = ordersIn[run.profile.name];
  const quietMs = Math.min(1_500, run.profile.seconds * 500);
  const settings: RestartSettings = { folder: run.folder, orders, concurrency, quietMs };
  const child = new URL('./child.js', import.meta.url);
  const name = 'a shard that fails';
  await measureInChild<RestartSettings, RestartRound, void>(child, settings, async ({ measure }) => {
    const rounds = await run.turns([{ name, measure }], (_, number, round) => {
      if (number === 0) return;
      const before = `${round.p99BeforeMs.toFixed(2)} ms before`;
      const meanwhile = `${round.p99MeanwhileMs.toFixed(2)} ms meanwhile`;
      run.say(`round ${number}: open again after ${round.openMs.toFixed(0)} ms; p99 ${before}, ${meanwhile}`);
    });
    keep(run, orders, rounds.get(name)!);
  });
}

function keep(run: BenchRun, orders: number, rounds: readonly RestartRound[]): void {
  run.keep(
    { name: 'from the failure until the shard is open again', unit: 'ms', better: 'lower' },
    { [`a shard of ${orders.toLocaleString('en')} orders`]: rounds.map(({ openMs }) => openMs) },
  );
  const load = 'an order on the other shard at half of what it can take, durability fsync';
  const ratios = [{ of: 'meanwhile', to: 'before' }];
  run.keep(
    { name: `p99 of ${load}`, unit: 'ms', better: 'lower', ratios },
    {
      before: rounds.map(({ p99BeforeMs }) => p99BeforeMs),
      meanwhile: rounds.map(({ p99MeanwhileMs }) => p99MeanwhileMs),
    },
  );
  run.keep(
    { name: `the longest of ${load}`, unit: 'ms', better: 'lower', ratios },
    {
      before: rounds.map(({ longestBeforeMs }) => longestBeforeMs),
      meanwhile: rounds.map(({ longestMeanwhileMs }) => longestMeanwhileMs),
    },
  );
  const rates = rounds.map(({ rate }) => Math.round(rate).toLocaleString('en'));
  run.note(
    `The other shard gets orders one by one in an open loop, at ${rates.join(', ')} orders/s in turn: half of what it took with ` +
      `${concurrency} at a time. An order counts from when it was due.`,
  );
  const ordersMin = Math.min(...rounds.map(({ ordersMeanwhile }) => ordersMeanwhile));
  run.note(`"meanwhile" is of at least ${ordersMin.toLocaleString('en')} orders a round.`);
  run.note(
    `Of the time until it is open again ${limits.shardRetryMsMin} ms are the pause before a shard is started again; it ` +
      'doubles with every failure in a row, so every round has shards of its own and one failure.',
  );
  run.note('Two shards and the thread that places the orders want three cores; with fewer they share.');
}

export const shardRestart: Bench = {
  ...{ name: 'shard-restart', title: 'A shard that fails, and the one beside it' },
  run: measureRestarts,
};
