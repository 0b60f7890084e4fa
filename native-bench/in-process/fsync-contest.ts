/** Orders that are on disk: leiniao, and LMDB alone writing the same commits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRun } from '../harness/bench.js';
import { isInMemory } from '../harness/disk.js';
import { runProgram } from '../harness/programs.js';
import { leiniaoRound } from './leiniao.js';
import type { LmdbRound } from './lmdb-round.js';
import { warmUpOrders } from './workload.js';

const program = fileURLToPath(new URL('lmdb-round.js', import.meta.url));

interface Pair {
  /** Orders per second. */
  readonly leiniao: number;
  readonly alone: LmdbRound;
}

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
  const buyers = run.profile.orders / (run.profile.name === 'quick' ? 5 : 2);
  const dataDir = join(run.folder, 'data');
  const name = `fsync, ${buyers.toLocaleString('en')} durable orders in process, one shard`;
  // Always leiniao first: LMDB writes the commits of the same round, those that leiniao wrote.
  const pair = async (): Promise<Pair> => {
    rmSync(dataDir, { recursive: true, force: true });
    const { ordersPerSecond } = await leiniaoRound({ buyers, durability: 'fsync', folder: dataDir });
    const alone = await lmdbRound(run, dataDir);
    const all = buyers + warmUpOrders(buyers);
    if (alone.orders !== all) throw new Error(`the journal has ${alone.orders} of ${all} orders`);
    return { leiniao: ordersPerSecond, alone };
  };
  const pairs = (
    await run.turns([{ name, measure: pair }], (_, round, { leiniao, alone }) => {
      if (round === 0) return;
      const rates = [leiniao, alone.ordersPerSecond].map((rate) => Math.round(rate).toLocaleString('en'));
      run.say(`${name}, round ${round}: leiniao ${rates[0]}, LMDB alone ${rates[1]} orders/s`);
    })
  ).get(name)!;
  run.keep(
    {
      ...{ name, unit: 'orders/s', better: 'higher' },
      ratios: [{ of: 'leiniao', to: 'LMDB alone', target: 0.7 }],
    },
    {
      leiniao: pairs.map(({ leiniao }) => leiniao),
      'LMDB alone': pairs.map(({ alone }) => alone.ordersPerSecond),
    },
  );
  const last = pairs.at(-1)!.alone;
  const { commits, bytes } = last;
  run.note(
    `fsync: in the last round leiniao wrote ${commits.toLocaleString('en')} commits, of ` +
      `${Math.round(last.orders / commits)} orders and ${Math.round(bytes / commits)} bytes each on average; LMDB alone writes ` +
      'those again, in transactions of the same sizes, and computes nothing.',
  );
  if (isInMemory(run.folder)) {
    run.note(`fsync: ${run.folder} is in memory, where a flush costs nothing: set TMPDIR to a disk.`);
  }
}
