/**
 * A server for one simulation: the same `leiniao serve` as a child process, on a free port, with a data
 * folder of its own that goes when it goes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { envPrefix } from '../option-spec.js';
import { CouldNotRun } from './sale-client.js';

const startMsMax = 30_000;
/** Above the server's own default deadline for a shutdown. */
const stopMsMax = 15_000;
const stderrCharsKept = 4_000;
const readyLine = /^leiniao is listening on (\S+)$/;

const main = fileURLToPath(new URL('../main.js', import.meta.url));

/** The environment configures the user's server, not this one: it gets flags only. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith(envPrefix)));
}

export class OwnServer {
  readonly url: string;
  /** Aborts, with a CouldNotRun, if the server ends before it is told to stop. */
  readonly died: AbortSignal;
  readonly #child: ChildProcess;
  readonly #dispose: () => void;
  #stopping = false;

  private constructor(url: string, child: ChildProcess, log: () => string, dispose: () => void) {
    this.url = url;
    this.#child = child;
    this.#dispose = dispose;
    const died = new AbortController();
    this.died = died.signal;
    child.once('close', () => {
      if (!this.#stopping) died.abort(new CouldNotRun(`the server ${endOf(child)} meanwhile${log()}`));
    });
  }

  /** Throws CouldNotRun, with the end of the server's log, if it doesn't come up. */
  static async start(flags: readonly string[], signal: AbortSignal): Promise<OwnServer> {
    const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-simulate-'));
    // `--exit-on-stdin-end`: should this process be killed outright, the pipe breaks and the child stops.
    const serve = [main, 'serve', '--host', '127.0.0.1', '--port', '0', '--data-dir', dataDir];
    const child = spawn(process.execPath, [...serve, '--exit-on-stdin-end', ...flags], {
      env: cleanEnv(),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C reaches this process only, which then stops the child in order.
      detached: true,
    });
    // Runs on every exit that runs JavaScript, also after an uncaught error.
    const dispose = (): void => {
      process.off('exit', dispose);
      if (runs(child)) child.kill('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
    };
    process.on('exit', dispose);
    try {
      const log = keepLog(child);
      const url = await readUrl(child, log, signal);
      return new OwnServer(url, child, log, dispose);
    } catch (error) {
      if (runs(child)) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      dispose();
      throw error;
    }
  }

  /** Stops the server, waits for its end and removes its folder. Returns what was wrong with its end, if so. */
  async stop(): Promise<string | undefined> {
    const child = this.#child;
    this.#stopping = true;
    let killed = false;
    if (runs(child)) {
      const kill = setTimeout(() => {
        killed = true;
        child.kill('SIGKILL');
      }, stopMsMax);
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      clearTimeout(kill);
    }
    this.#dispose();
    if (killed) return `the server did not stop within ${stopMsMax / 1_000} s and was killed`;
    return child.exitCode === 0 ? undefined : `the server ${endOf(child)}`;
  }
}

/** Whether it may be sent a signal. The one of a child that never ran goes to whatever id its memory says, 0 among them. */
const runs = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid !== undefined && exitCode === null && signalCode === null;

const endOf = (child: ChildProcess): string =>
  child.signalCode === null ? `ended with exit code ${child.exitCode}` : `was ended by ${child.signalCode}`;

/** Collects the end of the child's log, to be appended to a message that it is needed to understand. */
function keepLog(child: ChildProcess): () => string {
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString('utf8')).slice(-stderrCharsKept);
  });
  return () => (log === '' ? '' : `\n${log.trim()}`);
}

/** The address in the child's ready line. Its output is drained as long as it lives, or it would block. */
async function readUrl(child: ChildProcess, log: () => string, signal: AbortSignal): Promise<string> {
  // A child that is gone is noticed by its end, not by failing to write to it.
  child.stdin?.on('error', () => {});
  return await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(deadline);
      reject(new CouldNotRun(`the server did not start: ${why}${log()}`));
    };
    const deadline = setTimeout(() => fail(`no ready line within ${startMsMax / 1_000} s`), startMsMax);
    signal.addEventListener('abort', () => fail('interrupted'), { once: true });
    child.once('error', (error) => fail(error.message));
    // 'close' comes after the last of its output, 'exit' may come before.
    child.once('close', () => fail(`it ${endOf(child)}`));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const url = readyLine.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(deadline);
      resolve(url);
    });
  });
}
