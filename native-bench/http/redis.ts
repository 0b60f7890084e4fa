/** A Redis server of our own: a unix socket and a folder, no port. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, type Started, startProgram } from '../harness/programs.js';

export const redisInstall = 'sudo apt-get install redis-server';

export function findRedis(): string | undefined {
  return findProgram('redis-server');
}

/**
 * Starts it; a client that connects before it listens tries again.
 *
 * @param durable whether every write is in its append-only file, on disk, before it is answered
 */
export function startRedis(
  command: string,
  folder: string,
  durable: boolean,
): Started & { readonly socket: string } {
  mkdirSync(folder);
  const socket = join(folder, 'redis.sock');
  const started = startProgram(command, [
    ...['--port', '0', '--unixsocket', socket, '--dir', folder, '--loglevel', 'warning', '--save', ''],
    ...['--appendonly', durable ? 'yes' : 'no', '--appendfsync', durable ? 'always' : 'no'],
    // A rewrite would take the cores and the disk that are being measured.
    ...['--auto-aof-rewrite-percentage', '0'],
  ]);
  return { ...started, socket };
}
