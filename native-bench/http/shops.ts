/** The servers that leiniao is compared with, those that are installed: all but the bare ones run for all contests. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchRun } from '../harness/bench.js';
import { findPostgres, postgresInstall } from '../harness/postgres-programs.js';
import { findRedisServer, redisInstall, startRedis } from '../harness/redis-server.js';
import type { Running } from '../harness/running.js';
import { postgres, redis } from './contenders.js';
import { serverAccount, startPostgres } from './postgres.js';
import type { Shop, StartShop } from './shop.js';
import { startShop } from './start-shop.js';

/** By what it is. One that is undefined is not installed. */
export interface Shops {
  readonly bare: StartShop;
  readonly later: StartShop;
  readonly asking: StartShop;
  readonly redis: Shop | undefined;
  readonly redisFsync: Shop | undefined;
  readonly piscina: Shop;
  readonly postgres: Shop | undefined;
  readonly postgresFsync: Shop | undefined;
}

function serverFile(name: string): string {
  return fileURLToPath(new URL(`./servers/${name}.js`, import.meta.url));
}

async function startRedisShop(
  run: BenchRun,
  running: Running,
  durability: 'memory' | 'fsync',
): Promise<Shop | undefined> {
  const command = findRedisServer();
  if (command === undefined) {
    return run.skip(`${redis}, ${durability}`, 'redis-server is not installed', redisInstall);
  }
  const { socket } = running.add(
    await startRedis(command, join(run.folder, `redis-${durability}`), durability === 'fsync'),
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
  const account = serverAccount();
  if (account === undefined) {
    run.skip(
      postgres,
      'it does not run as root, and no user postgres or nobody was found',
      'run this as another user',
    );
    return { postgres: undefined, postgresFsync: undefined };
  }
  const { socketFolder } = running.add(
    await startPostgres(programs, run.folder, ['shop_memory', 'shop_fsync'], account),
  );
  const start = (durability: 'memory' | 'fsync') =>
    startShop(running, [serverFile('fastify-postgres'), socketFolder, `shop_${durability}`, durability]);
  return { postgres: await start('memory'), postgresFsync: await start('fsync') };
}

/** Starts those that run for all contests, one after the other, and proves that each keeps the rules. */
export async function startShops(run: BenchRun, running: Running): Promise<Shops> {
  run.say('starting the servers');
  return {
    bare: (scope, pin) => startShop(scope, [serverFile('bare')], { pin }),
    later: (scope, pin) => startShop(scope, [serverFile('bare'), '--answer-later'], { pin }),
    asking: (scope, pin) => startShop(scope, [serverFile('bare'), '--ask-a-thread'], { pin }),
    redis: await startRedisShop(run, running, 'memory'),
    redisFsync: await startRedisShop(run, running, 'fsync'),
    piscina: await startShop(running, [serverFile('uws-piscina')]),
    ...(await startPostgresShops(run, running)),
  };
}
