/**
 * How the engine scales with cores, in process: N shards and N producers on N cores, beside N engines of a core each;
 * shards alone; demand that is spread or is not; durability memory and fsync. A process of its own measures each, kept on its
 * cores.
 */
import type { Bench, BenchRun } from '../harness/bench.js';
import { type Cores, coresOfMachine } from '../harness/cores.js';
import { findProgram } from '../harness/programs.js';
import type { ContestResult } from '../harness/report.js';
import { bytesNeeded, coreSteps, coresText, fitsMemory } from './core-steps.js';
import { zipfExponent } from './demand.js';
import {
  noteBusiestShard,
  noteCosts,
  noteDisk,
  noteMethod,
  noteProjection,
  noteQuota,
  noteUnpinned,
} from './notes.js';
import { fitOf, measuredLine, projectedLines, type Step } from './projection.js';
import { type Entry, ordersPerShardMax, type Setting, Study } from './study.js';

export const scaling: Bench = {
  name: 'scaling',
  title: 'How the engine scales with cores, in process',
  run: async (run) => {
    const cores = coresOfMachine();
    const taskset = process.platform === 'linux' ? findProgram('taskset') : undefined;
    const study = new Study(run, cores, taskset);
    const steps = stepsOf(run, cores, taskset !== undefined);
    noteMethod(run, cores);
    await checkSoldOut(run, study, steps.at(-1)!);
    const memory = await byCores(run, study, steps, cores);
    // In a quick run there is no time for it.
    if (run.profile.name !== 'quick') await shardsAlone(run, study, steps.at(-1)!);
    const fsync = await onDisk(run, study, steps);
    conclude(run, memory, fsync, cores);
  },
};

/** At how many cores to measure. */
function stepsOf(run: BenchRun, cores: Cores, pins: boolean): number[] {
  const { cpus, whole, quota } = cores;
  const usable = Math.max(1, Math.min(cpus.length, Math.floor(quota)));
  noteQuota(run, cores, usable);
  const steps = coreSteps(usable, whole, run.profile.name === 'full');
  const fitting = steps.filter((n) => fitsMemory(bytesNeeded(n, n, ordersPerShardMax(run.profile))));
  for (const n of steps) {
    if (!fitting.includes(n))
      run.skip(`${n} cores`, 'there is not enough free memory', 'free some, or use a machine with more');
  }
  if (pins || fitting.length < 2) return fitting.length === 0 ? [1] : fitting;
  const why = 'nothing here keeps a process on fewer cores than there are';
  run.skip(
    'fewer cores than all',
    why,
    process.platform === 'linux' ? 'sudo apt-get install util-linux' : 'use Linux',
  );
  const most = fitting.at(-1)!;
  noteUnpinned(run, cores, most);
  return [most];
}

/**
 * N shards and N producers on N cores, and how much as many engines do that share nothing but the machine; at all cores what
 * becomes of it when demand is not spread.
 */
async function byCores(
  run: BenchRun,
  study: Study,
  steps: readonly number[],
  { whole }: Cores,
): Promise<Step[]> {
  const full = steps.at(-1)!;
  const zipf = `${coresText(full)}, Zipf demand (s = ${zipfExponent})`;
  const hot = `${coresText(full)}, one hot SKU`;
  // On cores of their own: hyperthreads would be held against each other.
  const most = Math.max(...steps.filter((n) => n <= whole));
  const separate = `${most} engines, a core each`;
  const entries: readonly Entry[] = [
    ...steps.map((n) => ({ name: coresText(n), setting: setting(n), cores: n })),
    // Where one core is not measured, nothing can be kept on one.
    ...(most > 1 && steps[0] === 1
      ? [{ name: separate, setting: setting(1), cores: most, engines: most }]
      : []),
    { name: zipf, setting: { ...setting(full), demand: 'zipf' }, cores: full },
    { name: hot, setting: { ...setting(full), demand: 'hot' }, cores: full },
  ];
  const contest = await study.contest(entries, {
    name: 'memory: N shards, N producers, N cores',
    ratios: [
      ...steps.slice(1).map((n) => ({
        ...{ of: coresText(n), to: coresText(steps[0]!) },
        ...(n === 2 && steps[0] === 1 ? { target: 1.6 } : {}),
      })),
      { of: separate, to: coresText(1) },
      { of: coresText(most), to: separate },
      { of: zipf, to: coresText(full) },
      { of: hot, to: coresText(full) },
    ],
  });
  noteCosts(run, study, entries);
  for (const name of [zipf, hot]) noteBusiestShard(run, study, name, full);
  const found = stepsIn(contest, steps, coresText);
  keepEfficiency(run, 'memory', found);
  return found;
}

/** What shards do when there is one producer for all of them, on all cores. */
async function shardsAlone(run: BenchRun, study: Study, full: number): Promise<void> {
  const name = (shards: number): string => (shards === 1 ? '1 shard' : `${shards} shards`);
  const ends = coreSteps(full, full, false).filter((n) => n === 1 || n === full || n * 2 === full);
  const counts = run.profile.measures ? ends : [full];
  const entries = counts.map((n) => ({
    ...{ name: name(n), setting: { ...setting(full), shards: n, producers: 1 }, cores: full },
  }));
  await study.contest(entries, {
    name: `memory: N shards, 1 producer, ${coresText(full)}`,
    ratios: counts.slice(1).map((n) => ({ of: name(n), to: name(1) })),
  });
  noteCosts(run, study, entries);
}

/** As by cores, with every order on disk before it is answered. */
async function onDisk(run: BenchRun, study: Study, steps: readonly number[]): Promise<Step[]> {
  const name = (cores: number): string => `${coresText(cores)}, fsync`;
  // A machine with many cores has one disk: its ends say enough in little time.
  const ends =
    run.profile.name === 'full' ? steps : steps.filter((n) => n === steps[0] || n === steps.at(-1));
  const entries = ends.map(
    (n): Entry => ({
      ...{ name: name(n), setting: { ...setting(n), durability: 'fsync' }, cores: n },
    }),
  );
  const contest = await study.contest(entries, {
    name: 'fsync: N shards, N producers, N cores',
    ratios: ends.slice(1).map((n) => ({ of: name(n), to: name(ends[0]!) })),
  });
  noteDisk(run);
  const found = stepsIn(contest, ends, name);
  keepEfficiency(run, 'fsync', found);
  return found;
}

/** Less stock than demand: exactly the stock has to be sold, of many SKUs and where all want the same one. */
async function checkSoldOut(run: BenchRun, study: Study, full: number): Promise<void> {
  for (const demand of ['uniform', 'hot'] as const) {
    await study.sellOut({ ...setting(full), demand }, full);
    run.say(`sold out under ${demand} demand: exactly the stock was sold`);
  }
}

function setting(cores: number): Setting {
  return { shards: cores, producers: cores, demand: 'uniform', durability: 'memory' };
}

function stepsIn({ figures }: ContestResult, steps: readonly number[], name: (n: number) => string): Step[] {
  return steps.map((cores) => ({ cores, figure: figures.find((figure) => figure.name === name(cores))! }));
}

/** Of what the fewest cores do each, the share that each of N does. */
function keepEfficiency(run: BenchRun, durability: string, steps: readonly Step[]): void {
  const [base, ...more] = steps;
  if (base === undefined || more.length === 0) return;
  const share = ({ cores, figure }: Step): number[] =>
    figure.rounds.map((rate, round) => (rate * base.cores) / (base.figure.rounds[round]! * cores));
  run.keep(
    { name: `${durability}: efficiency of each core`, unit: `of ${coresText(base.cores)}`, better: 'higher' },
    Object.fromEntries(more.map((step) => [coresText(step.cores), share(step)])),
  );
}

function conclude(
  run: BenchRun,
  memory: readonly Step[],
  fsync: readonly Step[],
  { cpus, whole }: Cores,
): void {
  // A second hyperthread is no core: the law would take for contention what is a smaller machine.
  const fitting = memory.filter((step) => step.cores <= whole);
  const fit = fitOf(fitting);
  const shape = fitting.length < 4 ? "Amdahl's law" : 'Universal Scalability Law';
  run.curves({
    name: 'orders/s by cores',
    x: { label: 'cores', scale: 'log' },
    y: { label: 'orders/s', scale: 'log' },
    lines: [
      measuredLine('memory, measured', memory),
      measuredLine('fsync, measured', fsync),
      ...(fit === undefined ? [] : projectedLines(`memory, ${shape}`, fit, cpus.length)),
    ],
  });
  noteProjection(run, fit, fitting);
}
