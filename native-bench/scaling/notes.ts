/** Sentences about the figures of scaling: how they were measured, what bounds them, and what they are not. */
import type { BenchRun } from '../harness/bench.js';
import type { Cores } from '../harness/cores.js';
import { isInMemory } from '../harness/disk.js';
import { coresText } from './core-steps.js';
import { type Fit, projectionNotes, type Step } from './projection.js';
import { type Study, skus, windowOf, windowsMax } from './study.js';

export function noteMethod(run: BenchRun, { cpus, whole }: Cores): void {
  const { warmUpMs, windowMs } = windowOf(run.profile);
  run.note(
    `${windowMs} ms, from the first producer's start to the last reply of the slowest; up to ${windowsMax} such windows in ` +
      `a process (one where memory is short), which was warmed up for ${warmUpMs} ms or to half of its room for orders; ` +
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

export function noteQuota(run: BenchRun, { cpus, quota }: Cores, usable: number): void {
  if (usable === cpus.length) return;
  run.note(`A control group allows ${quota} cores of ${cpus.length}: nothing beyond ${usable} is measured.`);
}

/** Where no process can be kept on fewer cores than there are. */
export function noteUnpinned(run: BenchRun, { cpus }: Cores, cores: number): void {
  if (cores < cpus.length) run.note(`"${coresText(cores)}" had all ${cpus.length} cores to run on.`);
}

/** Who spends how much CPU on an order: that holds on a busy machine too, where rates do not. */
export function noteCosts(run: BenchRun, study: Study, entries: readonly { readonly name: string }[]): void {
  if (!run.profile.measures) return;
  for (const { name } of entries) {
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

export function noteBusiestShard(run: BenchRun, study: Study, name: string, shards: number): void {
  const share = study.median(name, ({ busiestShard }) => busiestShard);
  if (share === undefined || shards === 1) return;
  run.note(
    `${name}: the busiest of ${shards} shards got ${(share * 100).toFixed(0)} % of the orders, so shards alone bound it ` +
      `to ${(1 / share).toFixed(2)} times what one does with a core of its own.`,
  );
}

export function noteDisk(run: BenchRun): void {
  if (!isInMemory(run.folder)) return;
  run.note(`${run.folder} is in memory: fsync meant nothing there. Set TMPDIR to a folder on a disk.`);
}

/** @param fit undefined where there were too few points for any */
export function noteProjection(run: BenchRun, fit: Fit | undefined, fitting: readonly Step[]): void {
  if (fit === undefined) {
    run.note(
      'One point is no curve: nothing is projected. It takes 2 cores to say anything, and 4 to say it well.',
    );
  } else if (run.profile.measures) {
    for (const note of projectionNotes(fit, fitting)) run.note(note);
  }
}
