/** Recovery: how many orders a second a starting engine reads back from a full data folder. */
import { join } from 'node:path';
import type { Bench, BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import type { RecoverySettings } from './child.js';

const ordersIn = { smoke: 20_000, quick: 300_000, full: 2_000_000 };

async function measureRecovery(run: BenchRun): Promise<void> {
  const orders = ordersIn[run.profile.name];
  const settings: RecoverySettings = { dataDir: join(run.folder, 'data'), orders };
  const child = new URL('./child.js', import.meta.url);
  await measureInChild<RecoverySettings, number, void>(child, settings, async ({ measure }) => {
    await run.contest({
      name: `a start on ${orders.toLocaleString('en')} orders`,
      ...{ unit: 'orders/s read back', better: 'higher' },
      contenders: [{ name: 'leiniao, one shard', measure }],
    });
  });
  run.note(
    'The whole start counts: opening the store, verifying the hash chain, rebuilding stock, buyers, keys and holds, ' +
      'checking that every counter adds up. The folder was read before, so it comes from memory, not from the disk.',
  );
}

export const recovery: Bench = {
  ...{ name: 'recovery', title: 'Recovery: an engine that starts on a folder full of orders' },
  run: measureRecovery,
};
