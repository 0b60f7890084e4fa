/** `leiniao serve` as a child process that never outlives its test. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { commandEnv } from './command-env.js';
import { until } from './until.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export class ServeProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<unknown>;
  stdout = '';
  stderr = '';

  /** Starts `leiniao serve` on a free port. `args` come after, and win. */
  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [main, 'serve', '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: commandEnv,
    });
    this.child.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.#exited = once(this.child, 'close');
    onTestFinished(() => this.kill());
  }

  /** Starts one and resolves once it listens. */
  static async listening(...args: string[]): Promise<ServeProcess> {
    const server = new ServeProcess(...args);
    await server.url();
    return server;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Where it listens, once it does. */
  async url(): Promise<string> {
    const line = /^leiniao is listening on (http:\/\/127\.0\.0\.1:\d+)$/m;
    await until(
      'the ready line',
      () => {
        if (!this.running) throw new Error(`the server ended: ${this.stderr}`);
        return line.test(this.stdout);
      },
      20_000,
    );
    return line.exec(this.stdout)![1]!;
  }

  async port(): Promise<number> {
    return Number(new URL(await this.url()).port);
  }

  /** How it ended, once it has: exit code, or the signal that ended it. All its output has come by then. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#exited;
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** The log lines on stderr that are JSON, and the others. */
  get log(): { readonly entries: readonly { readonly msg: string }[]; readonly lines: readonly string[] } {
    const all = this.stderr.split('\n').filter((line) => line !== '');
    return {
      entries: all.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line)),
      lines: all.filter((line) => !line.startsWith('{')),
    };
  }

  /** Ends it as a crash would: nothing of it runs any more. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exited;
  }
}
