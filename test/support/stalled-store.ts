/**
 * A shard's disk that does not answer: another process holds the write lock of its LMDB environment, so the shard waits
 * where it brings its journal's tail there, until the lock is let go.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { until } from './until.js';

const holder = `
  import { readSync } from 'node:fs';
  import { open } from 'lmdb';
  const environment = open({ path: process.argv[1], encoding: 'binary', overlappingSync: false, noSubdir: false });
  environment.transactionSync(() => {
    process.stdout.write('held');
    readSync(0, Buffer.alloc(1));
  });
  process.exit(0);
`;

/** Attempts to stall a shard that has nothing else to do. */
const attemptsMax = 5;

interface Stall {
  readonly release: () => Promise<void>;
}

/**
 * Stalls a shard until `release` is called, at the latest until the test ends. Nothing else is to be asked of it meanwhile.
 *
 * @param order has the shard accept an order of this buyer, one it does not know, and resolves to the answer: that gives
 *   it something to bring to LMDB
 */
export async function stallShard(
  dataDir: string,
  order: (buyer: string) => Promise<unknown>,
  shard = 0,
): Promise<Stall> {
  const path = join(dataDir, `shard-${String(shard).padStart(3, '0')}`);
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const stall = await holdLock(path);
    let answered = false;
    const answer = order(`stalling-${attempt}`).then(() => {
      answered = true;
    });
    const failure = answer.then(() => new Promise<never>(() => undefined));
    await Promise.race([until('the shard to be stalled', stall.isWaitedFor), failure]);
    // Stalled by something earlier, it has the order in flight.
    if (answered) return stall;
    await stall.release();
    await answer;
  }
  throw new Error(`the shard was busy ${attemptsMax} times`);
}

async function holdLock(path: string): Promise<Stall & { readonly isWaitedFor: () => boolean }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', holder, path], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const release = async (): Promise<void> => {
    child.stdin.end();
    await exited;
  };
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  await Promise.race([once(child.stdout, 'data'), exited]);
  if (child.exitCode !== null) throw new Error('the lock was not taken');
  // LMDB's lock is a robust mutex in its list of readers: the thread's id, and FUTEX_WAITERS where somebody waits (futex(2)).
  const held = Buffer.alloc(4);
  held.writeUInt32LE((child.pid! | 0x80000000) >>> 0);
  const isWaitedFor = () => readFileSync(join(path, 'lock.mdb')).includes(held);
  return { release, isWaitedFor };
}
