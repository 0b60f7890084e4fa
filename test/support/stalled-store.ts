/**
 * A shard's disk that does not answer: another process holds the write lock of its LMDB environment, so the shard's
 * next commit waits until the lock is let go.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

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

/** Stalls a shard's commits until `release` is called, at the latest until the test ends. */
export async function stallShard(dataDir: string, shard = 0): Promise<{ release: () => Promise<void> }> {
  const path = join(dataDir, `shard-${String(shard).padStart(3, '0')}`);
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
  return { release };
}
