/** Programs that benchmarks start: one that cannot be started is told, and none is left when a benchmark ends. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endRunning, removeFolder } from '../../native-bench/harness/outliving.js';
import { runProgram, startProgram, startServer } from '../../native-bench/harness/programs.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leiniao-programs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a shell that says when it waits, and leaves a file where SIGQUIT ends it. */
async function startShell(onQuit: string, endSignal?: NodeJS.Signals) {
  const script = `trap '${onQuit}' QUIT; echo waits; while :; do sleep 0.01; done`;
  const program = startProgram('sh', ['-c', script], {
    ...{ cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
    ...(endSignal === undefined ? {} : { endSignal }),
  });
  await once(program.child.stdout!, 'data');
  return program;
}

test.each([
  { what: 'is not there', mode: undefined, code: 'ENOENT' },
  { what: 'may not be executed', mode: 0o644, code: 'EACCES' },
])('a program that $what fails whoever starts it, with its name and the reason', async ({ mode, code }) => {
  const program = join(folder, 'program');
  if (mode !== undefined) writeFileSync(program, '#!/bin/sh\n', { mode });
  const reason = `${program} cannot be started: spawn ${program} ${code}`;
  await expect(runProgram(program, [])).rejects.toThrow(reason);
  await expect(startServer([], program)).rejects.toThrow(reason);
  const started = startProgram(program, []);
  // Its signal would go to whatever id its memory says: to all of our group where that is 0.
  const kill = vi.spyOn(started.child, 'kill');
  await started.stop();
  expect(kill).not.toHaveBeenCalled();
  await expect(started.spawned).rejects.toThrow(reason);
});

test('a program is ended by SIGTERM, or by the signal that it wants', async () => {
  const plain = await startShell('touch quit; exit');
  await plain.stop();
  expect(plain.child.signalCode).toBe('SIGTERM');
  expect(existsSync(join(folder, 'quit'))).toBe(false);
  const asked = await startShell('touch quit; exit', 'SIGQUIT');
  await asked.stop();
  expect(asked.child.exitCode).toBe(0);
  expect(existsSync(join(folder, 'quit'))).toBe(true);
});

test('when we end, so does every program at once; one with a signal of its own ends by that', async () => {
  const plain = await startShell('touch plain; exit');
  const asked = await startShell('touch asked; exit', 'SIGQUIT');
  const gone = [plain, asked].map(({ child }) => once(child, 'exit'));
  endRunning();
  // It is gone before anybody could hear of it.
  expect(existsSync(join(folder, 'asked'))).toBe(true);
  await Promise.all(gone);
  expect(plain.child.signalCode).toBe('SIGKILL');
  expect(asked.child.exitCode).toBe(0);
  expect(existsSync(join(folder, 'plain'))).toBe(false);
});

test('a folder is removed while somebody still writes there for a moment', async () => {
  const crowded = join(folder, 'crowded');
  const script = `mkdir crowded; i=0; while [ $i -lt 300 ]; do i=$((i + 1)); mkdir -p crowded/$i; done; echo done`;
  const writer = startProgram('sh', ['-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const written = once(writer.child.stdout!, 'data');
  while (!existsSync(crowded)) await delay(1);
  removeFolder(crowded);
  await written;
  removeFolder(crowded);
  expect(existsSync(crowded)).toBe(false);
  removeFolder(crowded);
});

test('a program that does not heed its signal is killed after a while', async () => {
  const deaf = await startShell('', 'SIGQUIT');
  const gone = once(deaf.child, 'exit');
  const startedMs = performance.now();
  endRunning(100);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(100);
  await gone;
  expect(deaf.child.signalCode).toBe('SIGKILL');
});
