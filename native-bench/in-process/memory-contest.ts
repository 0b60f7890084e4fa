/** Orders decided in memory: leiniao, the same in C++, and Redis with the deduction in Lua. */
import type { BenchRun, Contender } from '../harness/bench.js';
import { findProgram } from '../harness/programs.js';
import { redisInstall } from '../harness/redis-server.js';
import { leiniaoRound } from './leiniao.js';
import { findRedis, redisRound } from './redis.js';
import { compileYardstick } from './yardstick.js';

/** Resident bytes per buyer, by contender: of the rounds that count. */
class Residents {
  readonly bytes: Record<string, number[]> = {};

  keep(name: string, round: number, bytesPerBuyer: number): void {
    this.bytes[name] ??= [];
    if (round > 0) this.bytes[name].push(bytesPerBuyer);
  }
}

/** Of the buyers, so many times fewer order from Redis in a quick run: it takes ten times as long. */
const quickRedisShare = 4;

function isQuick({ profile }: BenchRun): boolean {
  return profile.name === 'quick';
}

/** How many buyers a round has. To warm up a tenth will do: processes and servers are fresh in every round. */
function buyersIn(round: number, { profile }: BenchRun): number {
  return round === 0 ? profile.orders / 10 : profile.orders;
}

/** A contender that does not warm up where nothing is measured. */
function unwarmed({ profile }: BenchRun, contender: Contender | undefined): Contender | undefined {
  if (contender === undefined || profile.measures) return contender;
  const { name, measure } = contender;
  return { name, measure: (round) => (round === 0 ? 0 : measure(round)) };
}

function leiniao(run: BenchRun, residents: Residents, pinned: boolean): Contender | undefined {
  const name = pinned ? 'leiniao, one core' : 'leiniao';
  const taskset = findProgram('taskset');
  if (pinned && taskset === undefined) {
    return run.skip(name, 'there is no taskset to pin it with', 'sudo apt-get install util-linux');
  }
  return {
    name,
    measure: async (round) => {
      const { ordersPerSecond, bytesPerBuyer } = await leiniaoRound({
        ...{ buyers: buyersIn(round, run), durability: 'memory', folder: run.folder },
        ...(pinned ? { taskset: taskset! } : {}),
      });
      if (!pinned) residents.keep(name, round, bytesPerBuyer);
      return ordersPerSecond;
    },
  };
}

async function yardsticks(run: BenchRun): Promise<(Contender | undefined)[]> {
  const yardstick = await compileYardstick(run.folder);
  const threadCounts = isQuick(run) ? ([1] as const) : ([2, 1] as const);
  return threadCounts.map((threads) => {
    const name = threads === 1 ? 'C++, one core' : 'C++, two cores';
    if (yardstick === undefined) return run.skip(name, 'there is no g++', 'sudo apt-get install g++');
    return { name, measure: (round) => yardstick(threads, buyersIn(round, run)) };
  });
}

function redis(run: BenchRun, residents: Residents, name: string, script: string): Contender | undefined {
  const programs = findRedis();
  if (programs === undefined) {
    const why = 'there is no redis-server or no redis-benchmark';
    return run.skip(name, why, redisInstall);
  }
  return {
    name,
    measure: async (round) => {
      const buyers = buyersIn(round, run) / (isQuick(run) ? quickRedisShare : 1);
      const options = { folder: run.folder, script, buyers };
      const { ordersPerSecond, bytesPerBuyer } = await redisRound(programs, options);
      residents.keep(name, round, bytesPerBuyer);
      return ordersPerSecond;
    },
  };
}

export async function memoryContest(run: BenchRun): Promise<void> {
  const residents = new Residents();
  const buyers = run.profile.orders.toLocaleString('en');
  const load = `${buyers} distinct buyers, limit 1 per buyer, one shard`;
  const usual = redis(run, residents, 'Redis', 'deduct.lua');
  const quick = isQuick(run);
  const both = usual !== undefined && !quick;
  await run.contest({
    ...{ name: `memory, ${load}`, unit: 'orders/s', better: 'higher' },
    contenders: [
      quick ? undefined : leiniao(run, residents, true),
      ...(await yardsticks(run)),
      leiniao(run, residents, false),
      usual,
      both ? redis(run, residents, 'Redis, shortest script', 'deduct-shortest.lua') : undefined,
    ].map((contender) => unwarmed(run, contender)),
    ratios: [
      { of: 'leiniao', to: 'C++, one core', target: 0.35 },
      { of: 'leiniao', to: 'C++, two cores' },
      { of: 'leiniao, one core', to: 'C++, one core' },
      { of: 'leiniao', to: 'Redis', target: 12 },
      { of: 'leiniao', to: 'Redis, shortest script' },
    ],
  });
  run.keep({ name: `memory, ${load}: resident`, unit: 'bytes/buyer', better: 'lower' }, residents.bytes);
  run.note(
    'leiniao takes JavaScript objects and runs code that is compiled as it warms up; it uses two threads, which "one core" ' +
      'has share one. C++ takes texts and gives columns; on one core one thread is in turns who asks and the shard.',
  );
  run.note(
    'Redis keeps the units of each buyer and the stock, but neither orders nor sequences nor deadlines; it decides with one ' +
      'thread, and redis-benchmark sends with another. The usual script looks before it takes (four commands); the shortest ' +
      'takes and gives back what was too much (two), and runs with --smoke and --full only.',
  );
  if (quick)
    run.note(`In a quick run Redis has a ${quickRedisShare}th of the buyers, which is no harder for it.`);
}
