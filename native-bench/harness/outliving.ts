/** Nothing that a benchmark started outlives it, however it ends: by itself, by a failure, or by a signal. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';

/** Programs that run, and the signal that one wants to be ended with. */
const running = new Map<ChildProcess, NodeJS.Signals | undefined>();

/** How long programs with a signal of their own may take once we end: PostgreSQL kills what is left of it after 5 s. */
const endMsMax = 6_000;
const endPollMs = 10;
/** How often a folder is tried to be removed, for about a second. */
const removalsMax = 50;
const removalPauseMs = 20;

/** Ends `child` with us, until it is gone by itself; with `endSignal` where it has one, else with SIGKILL. */
export function endWithUs(child: ChildProcess, endSignal: NodeJS.Signals | undefined): void {
  running.set(child, endSignal);
  child.once('exit', () => running.delete(child));
}

/** Ends all programs that run. Blocks, because nothing else can be waited for while a process exits. */
export function endRunning(waitMsMax = endMsMax): void {
  const asked = [...running].filter(([, endSignal]) => endSignal !== undefined).map(([child]) => child);
  for (const [child, endSignal = 'SIGKILL'] of running) child.kill(endSignal);
  const untilMs = performance.now() + waitMsMax;
  while (performance.now() < untilMs && !asked.every(hasEnded)) block(endPollMs);
  for (const child of asked) child.kill('SIGKILL');
}

/**
 * Whether it runs no more. Nobody reaps it while we block, so it stays as a zombie, which proc(5) tells from a process
 * that runs; where there is no /proc nobody tells, and all of the time is waited.
 */
function hasEnded({ pid }: ChildProcess): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform === 'linux';
  }
}

/**
 * Removes a folder and all that is in it. What a killed program had started itself may write there for a moment longer, as
 * initdb's servers do: so it tries again.
 *
 * @throws Error where the folder cannot be removed
 */
export function removeFolder(folder: string): void {
  for (let tries = 1; ; tries++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === removalsMax) throw error;
      block(removalPauseMs);
    }
  }
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

process.on('exit', () => endRunning());
// Also when a session is closed. Not `once`: a second Ctrl-C would end us at once, and leave what was not ended yet.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}
