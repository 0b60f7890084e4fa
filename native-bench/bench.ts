/**
 * `npm run bench`: runs the benchmarks and writes their report.
 *
 *   npm run bench -- [NAME …] [--smoke | --full] [--rounds N] [--out DIR] [--list]
 */
import { accessSync, constants, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { benches } from './benches.js';
import { type Bench, BenchRun } from './harness/bench.js';
import { htmlReport } from './harness/html-report.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { removeFolder } from './harness/outliving.js';
import { type Profile, profiles } from './harness/profile.js';
import type { BenchResult, Report } from './harness/report.js';
import { textReport } from './harness/text-report.js';

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function runOne(bench: Bench, profile: Profile): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
  const remove = () => removeFolder(folder);
  // Also when somebody stops us.
  process.once('exit', remove);
  const run = new BenchRun(profile, folder, say);
  say(`\n== ${bench.title} (${bench.name}), load ${run.loadBefore.join(' ')}`);
  try {
    await bench.run(run);
    return run.result(bench);
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say(`FAILED: ${failure}`);
    return run.result(bench, failure);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function chosen(names: readonly string[]): readonly Bench[] {
  const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    const known = benches.map(({ name }) => name).join(', ');
    program.error(`there is no benchmark ${unknown.join(', ')}; there are ${known}`, { exitCode: 2 });
  }
  return names.length === 0
    ? benches
    : [...new Set(names)].map((name) => benches.find((bench) => bench.name === name)!);
}

function write(folder: string, report: Report): void {
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(join(folder, 'index.html'), htmlReport(report));
}

function roundsIn(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 to 9999.');
  return Number(text);
}

/** Checks where things are to be written. Ends the program where they cannot be. */
function requireFolders(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    accessSync(out, constants.W_OK);
  } catch (error) {
    program.error(`--out: ${(error as Error).message}`, { exitCode: 2 });
  }
  try {
    accessSync(tmpdir(), constants.W_OK);
  } catch (error) {
    program.error(`TMPDIR: ${(error as Error).message}`, { exitCode: 2 });
  }
}

interface Options {
  readonly smoke: boolean;
  readonly full: boolean;
  readonly list: boolean;
  readonly rounds?: number;
  readonly out: string;
}

async function main(names: readonly string[], { smoke, full, list, rounds, out }: Options): Promise<void> {
  const todo = chosen(names);
  if (list) {
    for (const { name, title } of todo) process.stdout.write(`${name.padEnd(14)}${title}\n`);
    return;
  }
  if (smoke && full) program.error('--smoke or --full, not both', { exitCode: 2 });
  const named = smoke ? profiles.smoke : full ? profiles.full : profiles.quick;
  const profile = rounds === undefined ? named : { ...named, rounds, manyRounds: rounds };
  const folder = resolve(out);
  // Before anything is measured: a report that cannot be written is no report.
  requireFolders(folder);
  const machine = await describeMachine();
  const startedAt = new Date().toISOString();
  const startedMs = performance.now();
  for (const line of machineLines(machine)) say(line);
  const results: BenchResult[] = [];
  const reportSoFar = (): Report => ({
    ...{ startedAt, spentMs: Math.round(performance.now() - startedMs), profile, machine },
    ...{ benches: results, toCome: todo.slice(results.length).map(({ name }) => name) },
  });
  const endedEarly = () =>
    say(
      results.length === 0
        ? 'ended early: no benchmark was through'
        : `ended early: ${results.map(({ name }) => name).join(', ')} in ${folder}`,
    );
  process.once('exit', endedEarly);
  for (const bench of todo) {
    results.push(await runOne(bench, profile));
    // After each: what was found is there, whatever becomes of the next one.
    write(folder, reportSoFar());
  }
  process.off('exit', endedEarly);
  process.stdout.write(textReport(reportSoFar()));
  process.stdout.write(`written to ${join(folder, 'report.json')} and ${join(folder, 'index.html')}\n`);
  if (results.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

const program = new Command('bench')
  .description('Measures leiniao beside what it could be held against. See native-bench/README.md.')
  .argument('[names...]', 'benchmarks to run; all of them when none is named')
  .option('--smoke', 'only check that every benchmark computes the right thing: under a minute', false)
  .option('--full', 'more and longer rounds, larger sizes', false)
  .option('--rounds <n>', 'how many rounds count, instead of the profile’s own', roundsIn)
  .option('--out <dir>', 'where report.json and index.html go', './bench-report')
  .option('--list', 'name the benchmarks', false)
  .exitOverride()
  .action(main);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
