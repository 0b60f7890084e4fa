/**
 * `leiniao doctor`: whether the engine can run on this machine, and what would make it run better. Main
 * thread; leaves nothing behind but what loading uWebSockets.js caches.
 */
import type { Finding } from './doctor/finding.js';
import { describeMachine } from './doctor/machine.js';
import { describeStorage } from './doctor/storage.js';
import { exitCode } from './exit-code.js';

function render(findings: readonly Finding[], runs: boolean): string {
  const nameWidth = Math.max(...findings.map(({ name }) => name.length));
  const statusWidth = 'warning'.length;
  const lines = findings.flatMap(({ name, status, found, advice }) => {
    const line = `${status.padEnd(statusWidth)}  ${name.padEnd(nameWidth)}  ${found}`;
    return advice === undefined ? [line] : [line, `${' '.repeat(statusWidth + nameWidth + 4)}→ ${advice}`];
  });
  lines.push(
    '',
    runs ? 'The engine can run here.' : 'The engine cannot run here until each problem is solved.',
  );
  return `${lines.join('\n')}\n`;
}

/**
 * Prints what was found, a line each, or with `json` as one object `{ ok, findings }`. Resolves to the exit
 * code: 0, or 1 if the engine cannot run here. Does not make the data folder.
 */
export async function doctor(options: { dataDir: string; json?: boolean | undefined }): Promise<number> {
  const findings = [...describeMachine(), ...describeStorage(options.dataDir)];
  const runs = findings.every(({ status }) => status !== 'problem');
  const output = options.json
    ? `${JSON.stringify({ ok: runs, findings }, undefined, 2)}\n`
    : render(findings, runs);
  await new Promise<void>((done) => process.stdout.write(output, () => done()));
  return runs ? exitCode.ok : exitCode.failed;
}
