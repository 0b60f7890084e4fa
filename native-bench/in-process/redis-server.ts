/** A Redis server of our own that keeps nothing: no snapshots, no append-only file, a Unix socket in a folder of its own. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startProgram } from '../harness/programs.js';

const startMsMax = 10_000;
const startPollMs = 5;

export interface RedisServer {
  readonly socket: string;
  readonly client: Redis;
  readonly stop: () => Promise<void>;
}

/** @param program path of redis-server */
export async function startRedis(program: string, parent: string): Promise<RedisServer> {
  const folder = mkdtempSync(join(parent, 'redis-'));
  const socket = join(folder, 'socket');
  const server = startProgram(program, [
    ...['--port', '0', '--unixsocket', socket, '--dir', folder],
    ...['--save', '', '--appendonly', 'no', '--loglevel', 'warning'],
  ]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const untilMs = performance.now() + startMsMax; !isThere(socket); await delay(startPollMs)) {
      if (server.child.exitCode !== null) throw new Error(`${program} ended with ${server.child.exitCode}`);
      if (performance.now() > untilMs) throw new Error(`${program} does not listen`);
    }
    const client = new Redis({ path: socket });
    return {
      socket,
      client,
      stop: async () => {
        client.disconnect();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
