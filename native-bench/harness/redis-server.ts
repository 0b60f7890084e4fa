/** A Redis server of our own: a Unix socket and a folder, no port and no snapshots. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram, startProgram } from './programs.js';

export const redisInstall = 'sudo apt-get install redis-server';

const startMsMax = 10_000;
const startPollMs = 5;

export interface RedisServer {
  /** Path of its socket. */
  readonly socket: string;
  /** Ends it, and removes its folder. */
  readonly stop: () => Promise<void>;
}

export function findRedisServer(): string | undefined {
  return findProgram('redis-server');
}

/**
 * Starts it, and resolves when it listens.
 *
 * @param command path of redis-server
 * @param folder is made
 * @param durable whether every write is in its append-only file, on disk, before it is answered
 */
export async function startRedis(command: string, folder: string, durable: boolean): Promise<RedisServer> {
  mkdirSync(folder);
  const socket = join(folder, 'redis.sock');
  const server = startProgram(command, [
    ...['--port', '0', '--unixsocket', socket, '--dir', folder, '--loglevel', 'warning', '--save', ''],
    ...['--appendonly', durable ? 'yes' : 'no', '--appendfsync', durable ? 'always' : 'no'],
    // A rewrite would take the cores and the disk that are being measured.
    ...['--auto-aof-rewrite-percentage', '0'],
  ]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await server.spawned;
    for (const untilMs = performance.now() + startMsMax; !existsSync(socket); await delay(startPollMs)) {
      if (server.child.exitCode !== null) throw new Error(`${command} ended with ${server.child.exitCode}`);
      if (performance.now() > untilMs) throw new Error(`${command} does not listen`);
    }
    return { socket, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
