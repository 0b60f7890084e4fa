/** `leiniao doctor`: what it prints, what it returns, and that it leaves nothing behind. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

interface Finding {
  readonly name: string;
  readonly status: string;
  readonly found: string;
  readonly advice?: string;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leiniao-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const doctorUrl = new URL('../../dist/cli/doctor.js', import.meta.url).href;

function run(
  options: { dataDir: string; json?: boolean },
  prelude = '',
): { code: number | null; output: string } {
  const call = `process.exitCode = await doctor(${JSON.stringify(options)})`;
  const source = `${prelude}; const { doctor } = await import(${JSON.stringify(doctorUrl)}); ${call}`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: status, output: stdout };
}

function findings(output: string): Finding[] {
  return (JSON.parse(output) as { findings: Finding[] }).findings;
}

test('prints a line for each finding and returns 0 where the engine can run', () => {
  const { code, output } = run({ dataDir: folder });
  expect(code).toBe(0);
  const names = ['platform', 'Node.js', 'Node ABI', 'glibc', 'uWebSockets.js', 'lmdb', 'piscina', 'cores'];
  for (const name of [...names, 'memory', 'data folder', 'free space', 'disk flush']) {
    expect(output).toMatch(new RegExp(`^(ok|warning) +${name} `, 'm'));
  }
  expect(output).toContain('The engine can run here.');
  expect(readdirSync(folder)).toEqual([]);
});

test('prints the same as JSON', () => {
  const { code, output } = run({ dataDir: folder, json: true });
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ ok: true });
  expect(findings(output)).toContainEqual({ name: 'data folder', status: 'ok', found: folder });
});

test('does not make a missing data folder: it tries the nearest one above', () => {
  const { code, output } = run({ dataDir: join(folder, 'a', 'b'), json: true });
  expect(code).toBe(0);
  const found = findings(output).find(({ name }) => name === 'data folder')?.found;
  expect(found).toBe(`${join(folder, 'a', 'b')}, which will be made in ${folder}`);
  expect(readdirSync(folder)).toEqual([]);
});

test('leaves what is in the data folder alone', () => {
  mkdirSync(join(folder, 'kept'));
  writeFileSync(join(folder, 'kept', 'file'), 'kept');
  run({ dataDir: folder });
  expect(readdirSync(folder)).toEqual(['kept']);
});

test('returns 1 and says what to do if the data folder is a file', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { code, output } = run({ dataDir: join(file, 'data'), json: true });
  expect(code).toBe(1);
  expect(JSON.parse(output)).toMatchObject({ ok: false });
  expect(findings(output)).toContainEqual({
    name: 'data folder',
    status: 'problem',
    found: `${file} is not a folder`,
    advice: 'choose another data folder',
  });
});

test('returns 1 where uWebSockets.js has no binary, and still reports the rest', () => {
  const abi120 = `Object.defineProperty(process, 'versions', { value: { ...process.versions, modules: '120' } })`;
  const { code, output } = run({ dataDir: folder }, abi120);
  expect(code).toBe(1);
  expect(output).toMatch(/^problem +uWebSockets\.js +.*\(ABI 120\).*Node 20, 22 or 24/m);
  expect(output).toMatch(/^(ok|warning) +disk flush/m);
  expect(output).toContain('The engine cannot run here until each problem is solved.');
});

test('every warning and problem comes with what to do', () => {
  const all = findings(run({ dataDir: join(folder, 'missing'), json: true }).output);
  for (const { status, advice } of all) expect(advice === undefined).toBe(status === 'ok');
});
