/** Audit: how many journal entries a second `leiniao audit` reads and judges. */
import { join } from 'node:path';
import type { Bench, BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import type { AuditRound, AuditSettings } from './child.js';

const ordersIn = { smoke: 20_000, quick: 200_000, full: 2_000_000 };

async function measureAudit(run: BenchRun): Promise<void> {
  const orders = ordersIn[run.profile.name];
  const settings: AuditSettings = { dataDir: join(run.folder, 'data'), orders };
  const child = new URL('./child.js', import.meta.url);
  let residentMiBMax = 0;
  await measureInChild<AuditSettings, AuditRound, void>(child, settings, async ({ measure }) => {
    await run.contest({
      name: `an audit of ${orders.toLocaleString('en')} orders, every other one confirmed`,
      ...{ unit: 'entries/s', better: 'higher' },
      contenders: [
        {
          name: 'leiniao audit, one shard',
          measure: async (round) => {
            const result = await measure(round);
            residentMiBMax = Math.max(residentMiBMax, result.residentMiBMax);
            return result.entriesPerSecond;
          },
        },
      ],
    });
  });
  run.note(
    'The whole audit counts: opening, checking the pages of the database, the hash chain, the books. The folder was ' +
      'read before, so it comes from memory, not from the disk.',
  );
  run.note(
    `The process had at most ${residentMiBMax} MiB in memory, the engine that filled the folder included.`,
  );
}

export const audit: Bench = {
  ...{ name: 'audit', title: 'Audit: a journal read and judged from its first commit' },
  run: measureAudit,
};
