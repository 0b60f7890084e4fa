/**
 * How the engine scales with cores, in process: N shards and N producers on N cores; shards alone; demand that is spread
 * or is not; durability memory and fsync. A process of its own measures each, kept on its cores.
 */
import type { Bench, BenchRun, Contender } from '../harness/bench.js';
import { type Cores, coresOfMachine } from '../harness/cores.js';
import { isInMemory } from '../harness/disk.js';
import { findProgram } from '../harness/programs.js';
import type { ContestResult } from '../harness/report.js';
import { bytesNeeded, coreSteps, fitsMemory } from './core-steps.js';
import { zipfExponent } from './demand.js';
import { fitOf, measuredLine, projectedLines, projectionNotes, type Step } from './projection.js';
import { ordersPerShardMax, type Setting, Study, skus, windowOf } from './study.js';

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
    const memory = await byCores(run, study, steps);
    await shardsAlone(run, study, steps.at(-1)!);
    const fsync = await onDisk(run, study, steps);
    conclude(run, memory, fsync, cores);
  },
};

/** At how many cores to measure. */
function stepsOf(run: BenchRun, { cpus, whole, quota }: Cores, pins: boolean): number[] {
  const usable = Math.max(1, Math.min(cpus.length, Math.floor(quota)));
  if (usable < cpus.length) {
    run.note(
      `A control group allows ${quota} cores of ${cpus.length}: nothing beyond ${usable} is measured.`,
    );
  }
  const steps = coreSteps(usable, whole, run.profile.name === 'full');
  const fitting = steps.filter((n) => fitsMemory(bytesNeeded(n, n, ordersPerShardMax(run.profile))));
  for (const n of steps) {
    if (!fitting.includes(n)) run.skip(`${n} cores`, 'there is not enough free memory', 'more memory');
  }
  if (pins || fitting.length < 2) return fitting.length === 0 ? [1] : fitting;
  const why = 'nothing here keeps a process on fewer cores than there are';
  run.skip(
    'fewer cores than all',
    why,
    process.platform === 'linux' ? 'apt-get install util-linux' : 'Linux',
  );
  const most = fitting.at(-1)!;
  if (most < cpus.length) run.note(`"${coresText(most)}" had all ${cpus.length} cores to run on.`);
  return [most];
}

/** N shards and N producers on N cores, and at all cores what becomes of it when demand is not spread. */
async function byCores(run: BenchRun, study: Study, steps: readonly number[]): Promise<Step[]> {
  const full = steps.at(-1)!;
  const zipf = `${coresText(full)}, Zipf demand`;
  const hot = `${coresText(full)}, one hot SKU`;
  const contenders = [
    ...steps.map((n) => study.contender(coresText(n), setting(n), n)),
    study.contender(zipf, { ...setting(full), demand: 'zipf' }, full),
    study.contender(hot, { ...setting(full), demand: 'hot' }, full),
  ];
  const contest = await run.contest({
    ...{ name: 'memory: N shards, N producers, N cores', unit: 'orders/s', better: 'higher', contenders },
    ratios: [
      ...steps.slice(1).map((n) => ({
        ...{ of: coresText(n), to: coresText(steps[0]!) },
        ...(n === 2 && steps[0] === 1 ? { target: 1.6 } : {}),
      })),
      { of: zipf, to: coresText(full) },
      { of: hot, to: coresText(full) },
    ],
  });
  noteCosts(run, study, contenders);
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
  const contenders = counts.map((n) =>
    study.contender(name(n), { ...setting(full), shards: n, producers: 1 }, full),
  );
  await run.contest({
    ...{
      name: `memory: N shards, 1 producer, ${coresText(full)}`,
      unit: 'orders/s',
      better: 'higher',
      contenders,
    },
    ratios: counts.slice(1).map((n) => ({ of: name(n), to: name(1) })),
  });
  noteCosts(run, study, contenders);
}

/** As by cores, with every order on disk before it is answered. */
async function onDisk(run: BenchRun, study: Study, steps: readonly number[]): Promise<Step[]> {
  const name = (cores: number): string => `${coresText(cores)}, fsync`;
  // A machine with many cores has one disk: its ends say enough in little time.
  const ends =
    run.profile.name === 'full' ? steps : steps.filter((n) => n === steps[0] || n === steps.at(-1));
  const contenders = ends.map((n) => study.contender(name(n), { ...setting(n), durability: 'fsync' }, n));
  const contest = await run.contest({
    ...{ name: 'fsync: N shards, N producers, N cores', unit: 'orders/s', better: 'higher', contenders },
    ratios: ends.slice(1).map((n) => ({ of: name(n), to: name(ends[0]!) })),
  });
  if (isInMemory(run.folder)) {
    run.note(`${run.folder} is in memory: fsync meant nothing there. Set TMPDIR to a folder on a disk.`);
  }
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

function coresText(cores: number): string {
  return cores === 1 ? '1 core' : `${cores} cores`;
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
  if (fit === undefined) {
    run.note(
      'One point is no curve: nothing is projected. It takes 2 cores to say anything, and 4 to say it well.',
    );
    return;
  }
  if (!run.profile.measures) return;
  for (const note of projectionNotes(fit, fitting)) run.note(note);
}

function noteMethod(run: BenchRun, { cpus, whole }: Cores): void {
  const { warmUpMs, windowMs } = windowOf(run.profile);
  run.note(
    `${windowMs} ms after ${warmUpMs} ms of warm-up, from the first producer's start to the last reply of the slowest; ` +
      `${skus} SKUs, every order by a buyer of its own, 4 batches of 512 orders in flight for each producer.`,
  );
  run.note(
    'A producer is an acceptor without sockets and without parsing: these are rates of the engine, not of an HTTP server.',
  );
  if (whole < cpus.length) {
    run.note(
      `From ${whole + 1} cores on, "cores" are second hyperthreads of cores in use: those give less than a core does, and the law is fitted without them.`,
    );
  }
}

/** Who spends how much CPU on an order: that holds on a busy machine too, where rates do not. */
function noteCosts(run: BenchRun, study: Study, contenders: readonly Contender[]): void {
  if (!run.profile.measures) return;
  for (const { name } of contenders) {
    const producers = study.median(name, ({ cpu }) => cpu?.producersNs);
    const shards = study.median(name, ({ cpu }) => cpu?.shardsNs);
    const all = study.median(name, ({ cpu }) => cpu?.processNs);
    const busy = study.median(
      name,
      ({ cpu, ordersPerSecond }) => cpu && (cpu.processNs * ordersPerSecond) / 1e9,
    );
    const request = study.median(name, ({ requestNs }) => requestNs);
    if (producers === undefined || shards === undefined || all === undefined || busy === undefined) continue;
    run.note(
      `${name}: an order took ${producers.toFixed(0)} ns of CPU in producers (${request!.toFixed(0)} of them for making ` +
        `the request), ${shards.toFixed(0)} in shards, ${(all - producers - shards).toFixed(0)} elsewhere (garbage ` +
        `collectors' helpers); ${busy.toFixed(2)} cores were kept busy.`,
    );
  }
}

function noteBusiestShard(run: BenchRun, study: Study, name: string, shards: number): void {
  const share = study.median(name, ({ busiestShard }) => busiestShard);
  if (share === undefined || shards === 1) return;
  run.note(
    `${name}: the busiest of ${shards} shards got ${(share * 100).toFixed(0)} % of the orders, so shards alone bound it ` +
      `to ${(1 / share).toFixed(2)} times one shard (Zipf with s = ${zipfExponent}).`,
  );
}
