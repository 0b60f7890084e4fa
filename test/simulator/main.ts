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

const usage =
  'usage: SEED … [--trace] runs these seeds; --minutes N or --seeds N [--from SEED] runs one after the other';
/** Runs a seed. */
type Run = (seed: number) => Promise<Findings>;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function report({ seed, violations, counts }: Findings): void {
  const what = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  say(`seed ${seed}: ${violations.length === 0 ? 'every promise kept' : 'BROKEN'}; ${what.join(', ')}`);
  for (const violation of violations) say(`  ${violation}`);
}

async function seeds(list: readonly number[], run: Run): Promise<boolean> {
  let broken = false;
  for (const seed of list) {
    const findings = await run(seed);
    report(findings);
    broken ||= findings.violations.length > 0;
  }
  return broken;
}

async function torture(minutes: number, number: number, from: number, run: Run): Promise<boolean> {
  const endMs = performance.now() + minutes * 60_000;
  const totals: Record<string, number> = {};
  let reportMs = performance.now();
  let runs = 0;
  for (let seed = from; performance.now() < endMs && runs < number; seed++) {
    const findings = await run(seed);
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

/** A whole number that is not negative. */
function count(text: string, name: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`${name}: ${text} is no whole number`);
  return Number(text);
}

function argumentsGiven() {
  const { values, positionals } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string' },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const { minutes, seeds: number, from, trace, help } = values;
  const isTorture = minutes !== undefined || number !== undefined;
  if (!help && positionals.length > 0 === isTorture) throw new Error('seeds, or how many or how long');
  return {
    ...{ help, trace },
    list: positionals.map((text) => count(text, 'SEED')),
    minutes: minutes === undefined ? Number.POSITIVE_INFINITY : atLeastOne(count(minutes, '--minutes')),
    number: number === undefined ? Number.POSITIVE_INFINITY : atLeastOne(count(number, '--seeds')),
    // Some seeds nobody has run before, unless he asks for others.
    from: from === undefined ? Date.now() % 2 ** 31 : count(from, '--from'),
  };
}

function atLeastOne(value: number): number {
  if (value === 0) throw new Error('0 of them would find nothing');
  return value;
}

async function main(): Promise<number> {
  let given: ReturnType<typeof argumentsGiven>;
  try {
    given = argumentsGiven();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return 2;
  }
  if (given.help) {
    say(usage);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'leiniao-simulator-'));
  const watchdog = new Watchdog();
  try {
    const run = async (seed: number): Promise<Findings> => {
      watchdog.watch(seed);
      return await simulate(seed, join(folder, `${seed}`), given.trace ? say : undefined);
    };
    const broken =
      given.list.length > 0
        ? await seeds(given.list, run)
        : await torture(given.minutes, given.number, given.from, run);
    return broken ? 1 : 0;
  } finally {
    await watchdog.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
