/** Which versions of programs and packages a run has. */
import { execFileSync } from 'node:child_process';
import { findPostgres } from './postgres-programs.js';
import { textOf } from './text-of.js';

const packages = ['uWebSockets.js', 'piscina', 'lmdb', 'msgpackr', 'fastify', 'ioredis', 'pg'];

/** By program or package: its version, null where it is not installed. Takes a while: it asks every program. */
export function versions(): Record<string, string | null> {
  // The one that is run.
  const postgres = findPostgres()?.postgres;
  return {
    ...Object.fromEntries(packages.map((name) => [name, packageVersion(name)])),
    wrk: versionOf('wrk', '-v'),
    'g++': versionOf('g++', '--version'),
    'redis-server': versionOf('redis-server', '--version'),
    postgres: postgres === undefined ? null : versionOf(postgres, '--version'),
  };
}

/** Of what a program says of its version: the number, or the first line where there is none; null without the program. */
function versionOf(command: string, ...args: string[]): string | null {
  try {
    return numberIn(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
  } catch (error) {
    // wrk prints its version and exits with 1.
    const { stdout } = error as { stdout?: string };
    return stdout ? numberIn(stdout) : null;
  }
}

function numberIn(text: string): string {
  const line = text.trim().split('\n')[0]!;
  return /\d+\.\d[\w.+-]*/.exec(line)?.[0] ?? line;
}

function packageVersion(name: string): string | null {
  const text = textOf(new URL(`../../../node_modules/${name}/package.json`, import.meta.url).pathname);
  return text === undefined ? null : (JSON.parse(text) as { version: string }).version;
}
