/**
 * Simulations from the command line.
 *
 *   npm run simulate:seed -- SEED [SEED …] [--trace]  runs exactly these
 *   npm run torture -- --minutes N [--from S]  runs one seed after the other, until the time is up or a promise is broken;
 *                      --seeds N               or so many of them
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Findings, simulate } from './simulation.js';
import { Watchdog } from './watchdog.js';

const usage = 'give seeds to run, or --minutes N or --seeds N [--from SEED]';
const watchdog = new Watchdog();
const folder = mkdtempSync(join(tmpdir(), 'leiniao-simulator-'));

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function report({ seed, violations, counts }: Findings): void {
  const what = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  say(`seed ${seed}: ${violations.length === 0 ? 'every promise kept' : 'BROKEN'}; ${what.join(', ')}`);
  for (const violation of violations) say(`  ${violation}`);
}

async function seeds(list: readonly number[]): Promise<boolean> {
  let broken = false;
  for (const seed of list) {
    watchdog.watch(seed);
    const findings = await simulate(seed, join(folder, `${seed}`), values.trace ? say : undefined);
    report(findings);
    broken ||= findings.violations.length > 0;
  }
  return broken;
}

async function torture(minutes: number, count: number, from: number): Promise<boolean> {
  const endMs = performance.now() + minutes * 60_000;
  const totals: Record<string, number> = {};
  let reportMs = performance.now();
  let runs = 0;
  for (let seed = from; performance.now() < endMs && runs < count; seed++) {
    watchdog.watch(seed);
    const findings = await simulate(seed, join(folder, `${seed}`));
    runs += 1;
    for (const [name, count] of Object.entries({ ...findings.counts, ...findings.answers })) {
      totals[name] = (totals[name] ?? 0) + count;
    }
    if (findings.violations.length > 0) {
      report(findings);
      say(`run it again with: npm run simulate:seed -- ${seed}`);
      return true;
    }
    if (performance.now() < reportMs + 10_000) continue;
    reportMs = performance.now();
    say(`${runs} seeds from ${from}, no promise broken so far`);
  }
  say(`${runs} seeds from ${from}, every promise kept: ${JSON.stringify(totals)}`);
  return false;
}

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    trace: { type: 'boolean' },
  },
  allowPositionals: true,
});
const { minutes, seeds: count } = values;
const numbers = [...positionals, minutes ?? '1', count ?? '1', values.from ?? '1'].map(Number);
const isTorture = minutes !== undefined || count !== undefined;
try {
  if (numbers.some(Number.isNaN) || positionals.length > 0 === isTorture) {
    say(usage);
    process.exitCode = 2;
  } else {
    // Some seeds nobody has run before, unless he asks for others.
    const from = values.from === undefined ? Date.now() % 2 ** 31 : Number(values.from);
    const broken =
      positionals.length > 0
        ? await seeds(positionals.map(Number))
        : await torture(
            Number(minutes ?? Number.POSITIVE_INFINITY),
            Number(count ?? Number.POSITIVE_INFINITY),
            from,
          );
    process.exitCode = broken ? 1 : 0;
  }
} finally {
  await watchdog.stop();
  rmSync(folder, { recursive: true, force: true });
}
