/** Orders that are on disk: leiniao, and LMDB alone writing the same commits. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRun } from '../harness/bench.js';
import { runProgram } from '../harness/programs.js';
import { leiniaoRound } from './leiniao.js';
import type { LmdbRound } from './lmdb-round.js';
import { warmUpOrders } from './workload.js';

const program = fileURLToPath(new URL('lmdb-round.js', import.meta.url));

/** A folder in memory is no disk: of Linux' statfs(2). */
const tmpfsType = 0x01021994;

async function lmdbRound(run: BenchRun, dataDir: string): Promise<LmdbRound> {
  const folder = mkdtempSync(join(run.folder, 'lmdb-'));
  try {
    const args = ['--journal', join(dataDir, 'shard-000'), '--folder', folder];
    return JSON.parse(await runProgram(process.execPath, [program, ...args])) as LmdbRound;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function fsyncContest(run: BenchRun): Promise<void> {
  const buyers = run.profile.orders / 2;
  // The newest data folder that leiniao wrote: LMDB writes what is in it.
  const dataDir = join(run.folder, 'data');
  let last: LmdbRound | undefined;
  await run.contest({
    ...{ name: `fsync, ${buyers.toLocaleString('en')} durable orders in process, one shard` },
    ...{ unit: 'orders/s', better: 'higher' },
    contenders: [
      {
        name: 'leiniao',
        measure: async () => {
          if (existsSync(dataDir)) rmSync(dataDir, { recursive: true });
          return (await leiniaoRound({ buyers, durability: 'fsync', folder: dataDir })).ordersPerSecond;
        },
      },
      {
        name: 'LMDB alone',
        measure: async (round) => {
          // Nothing to warm up where nothing is measured.
          if (round === 0 && !run.profile.measures) return 0;
          last = await lmdbRound(run, dataDir);
          const all = buyers + warmUpOrders(buyers);
          if (last.orders !== all) throw new Error(`the journal has ${last.orders} of ${all} orders`);
          return last.ordersPerSecond;
        },
      },
    ],
    ratios: [{ of: 'leiniao', to: 'LMDB alone', target: 0.7 }],
  });
  const { commits, bytes } = last!;
  run.note(
    `fsync: in the last round that LMDB followed leiniao wrote ${commits.toLocaleString('en')} commits, of ` +
      `${Math.round(last!.orders / commits)} orders and ${Math.round(bytes / commits)} bytes each on average; LMDB alone writes ` +
      'those again, in transactions of the same sizes, and computes nothing.',
  );
  if (statfsSync(run.folder).type === tmpfsType) {
    run.note(`fsync: ${run.folder} is in memory, where a flush costs nothing: set TMPDIR to a disk.`);
  }
}
