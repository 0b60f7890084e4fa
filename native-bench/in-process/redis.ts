/**
 * Redis running a deduction in Lua, sent by redis-benchmark in pipelines over a Unix socket. A round has a server of its
 * own. What redis-benchmark calls a buyer is a random number below 2^31 in 12 digits, so of a million of them some
 * hundred come twice: those are refused, and only accepted orders count.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { findProgram, runProgram } from '../harness/programs.js';
import { findRedisServer, startRedis } from '../harness/redis-server.js';
import { stockFor } from './workload.js';

const buyerNumbers = 2 ** 31 - 1;
const connections = 8;
/** Commands that a connection sends before it waits for answers: of the pairs that were tried, the fastest. */
const pipeline = 256;
/** Of the orders, so many may come from a buyer who has one already. */
const repeatedShareMax = 0.002;
const keys = ['stock', 'units-by-buyer', 'refusals'] as const;

let rounds = 0;

export interface RedisRound {
  readonly ordersPerSecond: number;
  readonly bytesPerBuyer: number;
}

export interface RedisPrograms {
  readonly server: string;
  readonly benchmark: string;
}

/** Undefined where Redis is not installed. */
export function findRedis(): RedisPrograms | undefined {
  const server = findRedisServer();
  const benchmark = findProgram('redis-benchmark');
  return server === undefined || benchmark === undefined ? undefined : { server, benchmark };
}

/**
 * @param script file of the deduction, beside this one's source
 * @throws Error where the units sold are not the orders accepted
 */
export async function redisRound(
  programs: RedisPrograms,
  options: { readonly folder: string; readonly script: string; readonly buyers: number },
): Promise<RedisRound> {
  const file = fileURLToPath(new URL(`../../in-process/${options.script}`, import.meta.url));
  // Whole pipelines only, so that every command sent is answered before the load ends.
  const orders = Math.ceil(options.buyers / pipeline) * pipeline;
  const folder = join(options.folder, `redis-${rounds++}`);
  const { socket, stop } = await startRedis(programs.server, folder, false);
  const client = await connect(socket);
  try {
    const hash = (await client.script('LOAD', readFileSync(file, 'utf8'))) as string;
    await client.mset(keys[0], stockFor(orders), keys[2], 0);
    const before = await residentBytes(client);
    const output = await runProgram(programs.benchmark, [
      ...['-s', socket, '-c', String(connections), '-P', String(pipeline), '-n', String(orders)],
      ...['-r', String(buyerNumbers), '--csv'],
      ...['EVALSHA', hash, String(keys.length), ...keys, '__rand_int__', '1', '1'],
    ]);
    const bytes = (await residentBytes(client)) - before;
    const accepted = await verify(client, hash, orders);
    const ordersPerSecond = commandsPerSecond(output) * (accepted / orders);
    return { ordersPerSecond, bytesPerBuyer: bytes / accepted };
  } finally {
    client.disconnect();
    await stop();
  }
}

/** Redis makes its socket before it listens on it: until then it refuses, and the client tries again. */
async function connect(socket: string): Promise<Redis> {
  const client = new Redis({ path: socket, lazyConnect: true });
  client.on('error', () => undefined);
  await client.ping();
  return client;
}

/** The orders accepted, after it was checked that they are what was sold and that nobody gets a second one. */
async function verify(client: Redis, hash: string, orders: number): Promise<number> {
  const [stock, refusals] = (await client.mget(keys[0], keys[2])).map(Number) as [number, number];
  const buyers = await client.hlen(keys[1]);
  const sold = stockFor(orders) - stock;
  if (sold !== buyers || sold + refusals !== orders || refusals > orders * repeatedShareMax) {
    throw new Error(`Redis sold ${sold} units to ${buyers} buyers and refused ${refusals} of ${orders}`);
  }
  const known = (await client.hrandfield(keys[1])) as string;
  const again = await client.evalsha(hash, keys.length, ...keys, known, 1, 1);
  const has = await client.hget(keys[1], known);
  if (again !== -2 || has !== '1') throw new Error(`a buyer got a second order: ${again}, ${has}`);
  return sold;
}

async function residentBytes(client: Redis): Promise<number> {
  const found = /used_memory_rss:(\d+)/.exec(await client.info('memory'))?.[1];
  if (found === undefined) throw new Error('Redis does not say how much memory it uses');
  return Number(found);
}

/** Of a table like `"test","rps",…` and one line below it. The test's name has no comma. */
function commandsPerSecond(csv: string): number {
  const rate = Number(csv.trim().split('\n').at(-1)?.split(',')[1]?.replaceAll('"', ''));
  if (!(rate > 0)) throw new Error(`redis-benchmark says no rate: ${csv}`);
  return rate;
}
