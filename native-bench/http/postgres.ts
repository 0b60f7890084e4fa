/** A PostgreSQL server of our own: a unix socket and a data folder, no port. It runs as somebody else where we are root. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresPrograms } from '../harness/postgres-programs.js';
import { runProgram, type Started, startProgram } from '../harness/programs.js';

const readyMsMax = 30_000;

interface Account {
  readonly uid: number;
  readonly gid: number;
}

function accountOf(user: string): Account | undefined {
  try {
    const ask = (flag: string) => Number(execFileSync('id', [flag, user], { stdio: 'pipe' }));
    return { uid: ask('-u'), gid: ask('-g') };
  } catch {
    return undefined;
  }
}

/** Who the server may run as: `undefined` for nobody, because it does not run as root; without ids as whoever we are. */
export function serverAccount(): Partial<Account> | undefined {
  if (process.getuid?.() !== 0) return {};
  return accountOf('postgres') ?? accountOf('nobody');
}

async function query(socketFolder: string, text: string): Promise<void> {
  const client = new pg.Client({ host: socketFolder, database: 'postgres', user: 'leiniao' });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

/**
 * Starts it and makes its databases. Settings are PostgreSQL's own, except that neither vacuum nor checkpoint runs beside
 * what is measured.
 *
 * @param parent gets its folder, and is opened for the server's user to pass through
 * @param account as whom it runs, see `serverAccount`
 * @returns the server, and the folder of its socket
 */
export async function startPostgres(
  { initdb, postgres }: PostgresPrograms,
  parent: string,
  databases: readonly string[],
  account: Partial<Account>,
): Promise<Started & { readonly socketFolder: string }> {
  const folder = join(parent, 'postgres');
  const { uid, gid } = account;
  mkdirSync(folder, { mode: 0o700 });
  if (uid !== undefined && gid !== undefined) {
    chownSync(folder, uid, gid);
    chmodSync(parent, 0o711);
  }
  const data = join(folder, 'data');
  const options = { cwd: folder, ...account };
  await runProgram(
    initdb,
    ['-D', data, '-U', 'leiniao', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    options,
  );
  const settings = {
    listen_addresses: '',
    unix_socket_directories: folder,
    log_min_messages: 'fatal',
    autovacuum: 'off',
    checkpoint_timeout: '1d',
    max_wal_size: '64GB',
  };
  const started = startProgram(
    postgres,
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    // An immediate shutdown: killed, it would leave its shared memory behind.
    { ...options, endSignal: 'SIGQUIT' },
  );
  try {
    const startedMs = performance.now();
    for (;;) {
      try {
        await query(folder, 'SELECT 1');
        break;
      } catch (error) {
        if (started.child.exitCode !== null || performance.now() - startedMs > readyMsMax) throw error;
        await sleep(50);
      }
    }
    for (const database of databases) await query(folder, `CREATE DATABASE ${database}`);
  } catch (error) {
    await started.stop();
    throw error;
  }
  return { ...started, socketFolder: folder };
}
