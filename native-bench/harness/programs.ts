/** Programs that a benchmark starts: whether they are there, and how they are started and ended. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

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

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export interface Started {
  readonly child: ChildProcess;
  /** Ends it, and resolves when it is gone. */
  readonly stop: () => Promise<void>;
}

export interface Listening extends Started {
  /** `http://host:port`, as it said itself. */
  readonly url: string;
}

const running = new Set<ChildProcess>();
// Nothing that was started outlives us, however we end.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

/** How long a program may take to end after SIGTERM. */
const stopMsMax = 20_000;

/** Starts a program. */
export function startProgram(command: string, args: readonly string[], options: SpawnOptions = {}): Started {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  running.add(child);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
  });
  return {
    child,
    stop: async () => {
      const killer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      child.kill('SIGTERM');
      await gone;
      clearTimeout(killer);
    },
  };
}

/** Of what a server says on stderr, how many characters are kept. */
const saidMax = 4_096;

/** Starts a server that prints a line with the URL it listens on. Its stderr is shown only where it fails. */
export async function startServer(
  args: readonly string[],
  command: string = process.execPath,
): Promise<Listening> {
  const started = startProgram(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
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

/** Runs a program to its end, and returns what it printed. Rejects where it fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const { child } = startProgram(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
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
