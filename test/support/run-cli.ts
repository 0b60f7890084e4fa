/** Runs the `leiniao` command to its end, without holding up the thread that waits for it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { commandEnv } from './command-env.js';

const main = join(import.meta.dirname, '../../dist/cli/main.js');

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runCli(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { encoding: 'utf8', env: commandEnv, maxBuffer: 2 ** 28 } as const;
    const child = execFile(process.execPath, [main, ...args], options, (_, stdout, stderr) =>
      // One that a signal ended has no code.
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}
