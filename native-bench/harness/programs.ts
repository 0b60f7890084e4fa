/** Programs that a benchmark starts: whether they are there, and how they are started and ended. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { endWithUs } from './outliving.js';

/** A program's path, or undefined where it is neither in PATH nor in one of `folders`. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const { PATH = '' } = process.env;
  for (const folder of [...PATH.split(delimiter), ...folders]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

export interface ProgramOptions extends SpawnOptions {
  /** The signal that ends it in good order, and everything that it has started itself; else it is SIGTERM. */
  readonly endSignal?: NodeJS.Signals;
}

export interface Started {
  readonly child: ChildProcess;
  /** Resolves when it runs. Rejects where it cannot be started: it is gone then. */
  readonly spawned: Promise<void>;
  /** Ends it, and resolves when it is gone. */
  readonly stop: () => Promise<void>;
}

export interface Listening extends Started {
  /** `http://host:port`, as it said itself. */
  readonly url: string;
}

/** How long a program may take to end after its signal. */
const stopMsMax = 20_000;

/** Starts a program. Where it cannot be started, `spawned` and the child's `error` event say why. */
export function startProgram(
  command: string,
  args: readonly string[],
  { endSignal, ...options }: ProgramOptions = {},
): Started {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.on('error', () => {
      // One that has no id never ran, and never exits.
      if (child.pid === undefined) resolve();
    });
  });
  const spawned = once(child, 'spawn').then(
    () => undefined,
    (error: Error) => {
      throw new Error(`${command} cannot be started: ${error.message}`, { cause: error });
    },
  );
  // Whoever does not ask is told by the child.
  spawned.catch(() => undefined);
  if (child.pid !== undefined) endWithUs(child, endSignal);
  return {
    child,
    spawned,
    stop: async () => {
      // Node.js sends the signal of a child that never ran to whatever its memory says: to 0, which is all of our group.
      if (child.pid === undefined) return await gone;
      const killer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      child.kill(endSignal ?? 'SIGTERM');
      await gone;
      clearTimeout(killer);
    },
  };
}

/** Of what a server says on stderr, how many characters are kept. */
const saidMax = 4_096;

/**
 * Starts a server that prints a line with the URL it listens on. Its stderr is shown only where it fails.
 *
 * @throws Error where it cannot be started, or ends before it listens
 */
export async function startServer(
  args: readonly string[],
  command: string = process.execPath,
): Promise<Listening> {
  const started = startProgram(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  await started.spawned;
  let said = '';
  started.child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-saidMax);
  });
  started.child.once('close', (code) => {
    if (code !== 0 && code !== null) process.stderr.write(said);
  });
  for await (const line of createInterface({ input: started.child.stdout! })) {
    const url = /(http:\/\/[\w.:[\]]+)/.exec(line)?.[1];
    if (url === undefined) continue;
    started.child.stdout!.resume();
    return { ...started, url };
  }
  throw new Error(`${[command, ...args].join(' ')} ended before it listened`);
}

/** Runs a program to its end, and returns what it printed. Rejects where it cannot be started or fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { child, spawned } = startProgram(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  await spawned;
  let output = '';
  let errors = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr!.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0)
    throw new Error(`${[command, ...args].join(' ')} ended with ${code ?? signal}: ${errors}${output}`);
  return output;
}
