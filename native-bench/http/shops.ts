/** Starts the servers that are compared, those that are installed, and stops them all. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRun } from '../harness/bench.js';
import { type Started, startServer } from '../harness/programs.js';
import { postgres, redis } from './contenders.js';
import { findPostgres, postgresInstall, startPostgres } from './postgres.js';
import { findRedis, redisInstall, startRedis } from './redis.js';
import { orderDocument, sampleOrder } from './servers/answers.js';
import { proveRules, putSales, type Shop } from './shop.js';

const cli = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
/** Room for all orders of the longest run. */
const ordersPerShardMax = 16_777_216;

const orderBytes = JSON.stringify(orderDocument(sampleOrder, 0)).length;

/** By what it is. One that is undefined is not installed, or not asked for. */
export interface Shops {
  readonly bare: Shop;
  readonly memory: Shop;
  readonly fsync: Shop;
  readonly memoryReceipts: Shop | undefined;
  readonly fsyncReceipts: Shop | undefined;
  readonly redis: Shop | undefined;
  readonly redisFsync: Shop | undefined;
  readonly piscina: Shop;
  readonly postgres: Shop | undefined;
  readonly postgresFsync: Shop | undefined;
}

/** What was started, to be stopped in the opposite order: servers before their stores. */
export class Running {
  readonly #stops: (() => Promise<void>)[] = [];

  add<T extends Started>(started: T): T {
    this.#stops.push(started.stop);
    return started;
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}

function serverFile(name: string): string {
  return fileURLToPath(new URL(`./servers/${name}.js`, import.meta.url));
}

async function startShop(
  running: Running,
  args: readonly string[],
  prepare: (url: string) => Promise<void> = async () => {},
): Promise<Shop> {
  const { url } = running.add(await startServer(args));
  await prepare(url);
  const shop = { url, keepsRules: !args[0]!.endsWith('bare.js') };
  await proveRules(shop, args.includes('--receipt-key') ? undefined : orderBytes);
  return shop;
}

/** A leiniao server with a data folder of its own. */
function startLeiniao(
  running: Running,
  folder: string,
  durability: 'memory' | 'fsync',
  ...more: readonly string[]
): Promise<Shop> {
  const dataDir = join(folder, more.length === 0 ? durability : `${durability}-receipts`);
  return startShop(
    running,
    [
      ...[cli, 'serve', '--port', '0', '--durability', durability, '--data-dir', dataDir],
      ...['--orders-per-shard-max', String(ordersPerShardMax), ...more],
    ],
    putSales,
  );
}

function startBare(running: Running): Promise<Shop> {
  return startShop(running, [serverFile('bare')]);
}

async function startRedisShop(
  run: BenchRun,
  running: Running,
  durability: 'memory' | 'fsync',
): Promise<Shop | undefined> {
  const command = findRedis();
  if (command === undefined) {
    return run.skip(`${redis}, ${durability}`, 'redis-server is not installed', redisInstall);
  }
  const { socket } = running.add(
    startRedis(command, join(run.folder, `redis-${durability}`), durability === 'fsync'),
  );
  return startShop(running, [serverFile('fastify-redis'), socket, durability]);
}

async function startPostgresShops(
  run: BenchRun,
  running: Running,
): Promise<Pick<Shops, 'postgres' | 'postgresFsync'>> {
  const programs = findPostgres();
  if (programs === undefined) {
    run.skip(postgres, 'initdb and postgres are not installed', postgresInstall);
    return { postgres: undefined, postgresFsync: undefined };
  }
  const { socketFolder } = running.add(
    await startPostgres(programs, run.folder, ['shop_memory', 'shop_fsync']),
  );
  const start = (durability: 'memory' | 'fsync') =>
    startShop(running, [serverFile('fastify-postgres'), socketFolder, `shop_${durability}`, durability]);
  return { postgres: await start('memory'), postgresFsync: await start('fsync') };
}

function receiptKey(folder: string): string {
  const file = join(folder, 'receipt.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return file;
}

/** Starts them all, one after the other, and proves that each keeps the rules. */
export async function startShops(run: BenchRun, running: Running, receipts: boolean): Promise<Shops> {
  run.say('starting the servers');
  const signed = (durability: 'memory' | 'fsync', key: string) =>
    startLeiniao(running, run.folder, durability, '--receipt-key', key);
  const key = receipts ? receiptKey(run.folder) : undefined;
  return {
    bare: await startBare(running),
    memory: await startLeiniao(running, run.folder, 'memory'),
    fsync: await startLeiniao(running, run.folder, 'fsync'),
    memoryReceipts: key === undefined ? undefined : await signed('memory', key),
    fsyncReceipts: key === undefined ? undefined : await signed('fsync', key),
    redis: await startRedisShop(run, running, 'memory'),
    redisFsync: await startRedisShop(run, running, 'fsync'),
    piscina: await startShop(running, [serverFile('uws-piscina')]),
    ...(await startPostgresShops(run, running)),
  };
}
