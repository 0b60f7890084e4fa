/** Makes contenders out of measurements, and keeps what each of them measured beside its rate. */
import type { BenchRun, Contender, Contest } from '../harness/bench.js';
import { type Cores, pinTo } from '../harness/cores.js';
import type { Profile } from '../harness/profile.js';
import type { ContestResult } from '../harness/report.js';
import { whileRunning } from '../harness/running.js';
import { median } from '../harness/statistics.js';
import { bytesNeeded, fitsMemory } from './core-steps.js';
import { EngineProcess } from './engine-child.js';
import type { Measured, Measurement } from './measurement.js';
import { together } from './together.js';

/** As many as one sale may have, so that they spread evenly over any number of shards. */
export const skus = 1_024;
const stockPerSku = 1_000_000_000;
/** Of SKUs that are to sell out: few, and little of each. */
const scarce = { skus: 64, stock: 50, windowMs: 0, warmUpMs: 0 } as const;
/** About what a shard does at most; what is faster gets a fresh process the sooner. */
const ordersPerSecondMax = 2_000_000;
const ordersPerShardLimits = { min: 1 << 17, max: 1 << 24 } as const;
/** How long a process runs before its first window: until everything hot is compiled, on a slow machine too. */
const warmUpMs = 1_200;
/** Windows of one process, where there is memory for those of all contenders at once; else one. */
export const windowsMax = 4;

export type Setting = Pick<Measurement, 'shards' | 'producers' | 'demand' | 'durability'>;

/** What takes part in a contest, kept on so many cores. */
export interface Entry {
  readonly name: string;
  readonly setting: Setting;
  readonly cores: number;
  /** So many engines of this setting share the cores out evenly among them, and nothing else. One where it is not said. */
  readonly engines?: number;
}

export class Study {
  readonly #run: BenchRun;
  readonly #cores: Cores;
  readonly #taskset: string | undefined;
  readonly #measured = new Map<string, Measured[]>();

  /** @param taskset undefined where processes cannot be pinned */
  constructor(run: BenchRun, cores: Cores, taskset: string | undefined) {
    this.#run = run;
    this.#cores = cores;
    this.#taskset = taskset;
  }

  /** A contest of engines, each in a process of its own, which ends with it. */
  async contest(
    entries: readonly Entry[],
    contest: Pick<Contest, 'name' | 'ratios'>,
  ): Promise<ContestResult> {
    const seats = entries.map((entry) => ({ ...entry, cpusByEngine: this.#cpusByEngine(entry) }));
    const bytes = seats.reduce(
      (total, { setting, cpusByEngine }) => total + this.#bytes(setting) * cpusByEngine.length,
      0,
    );
    const windows = fitsMemory(bytes) ? windowsMax : 1;
    return await whileRunning(async (running) => {
      const engines = seats.map(({ setting, cpusByEngine }) =>
        cpusByEngine.map((cpus) => running.add(this.#process(setting, cpus, windows, {}))),
      );
      const contenders = seats.map(({ name, cpusByEngine }, i) =>
        this.#contender(name, engines[i]!, cpusByEngine.flat()),
      );
      const result = await this.#run.contest({
        ...{ ...contest, unit: 'orders/s', better: 'higher', manyRounds: true, contenders },
      });
      for (const engine of engines.flat()) await engine.close();
      return result;
    });
  }

  #contender(name: string, engines: readonly EngineProcess[], cpus: readonly number[]): Contender {
    const results: Measured[] = [];
    this.#measured.set(name, results);
    return {
      ...{ name, cpus },
      measure: async (round) => {
        // A process warms up by itself before its first window: a round before them would warm up nothing.
        if (round === 0) return 0;
        // All of them before any begins: none is to have the machine for itself.
        await Promise.all(engines.map((engine) => engine.ready()));
        const measured = together(await Promise.all(engines.map((engine) => engine.measure())));
        await Promise.all(engines.map((engine) => engine.retire()));
        results.push(measured);
        return measured.ordersPerSecond;
      },
    };
  }

  /** Sells a small stock out to a large demand. Throws where not exactly the stock was sold. */
  async sellOut(setting: Setting, cores: number): Promise<void> {
    const engine = this.#process(setting, this.#cpusOf(cores), 1, { ...scarce, sellsOut: true });
    try {
      // It closes after its only window.
      await engine.measure();
    } finally {
      await engine.stop();
    }
  }

  #bytes({ shards, producers }: Setting): number {
    return bytesNeeded(shards, producers, ordersPerShardMax(this.#run.profile));
  }

  #process(
    setting: Setting,
    cpus: readonly number[],
    windows: number,
    other: Partial<Measurement>,
  ): EngineProcess {
    const measurement: Measurement = {
      ...{ ...setting, skus, stock: stockPerSku, sellsOut: false },
      ...{ ...windowOf(this.#run.profile), folder: this.#run.folder },
      ...{ ordersPerShardMax: ordersPerShardMax(this.#run.profile) },
      ...other,
    };
    const pin = this.#taskset === undefined ? [] : pinTo(this.#taskset, cpus);
    return new EngineProcess(measurement, pin, windows);
  }

  #cpusByEngine({ cores, engines = 1 }: Entry): readonly (readonly number[])[] {
    const cpus = this.#cpusOf(cores);
    const each = cpus.length / engines;
    return Array.from({ length: engines }, (_, i) => cpus.slice(i * each, (i + 1) * each));
  }

  /** The first so many of them, or all where a process cannot be pinned. */
  #cpusOf(cores: number): readonly number[] {
    return this.#taskset === undefined ? this.#cores.cpus : this.#cores.cpus.slice(0, cores);
  }

  /** The median over its rounds of something that a contender measured; undefined where the system does not tell. */
  median(name: string, column: (measured: Measured) => number | undefined): number | undefined {
    const values = this.#measured.get(name)?.map(column) ?? [];
    const told = values.filter((value) => value !== undefined);
    return told.length === 0 ? undefined : median(told);
  }
}

export function windowOf({ seconds, measures }: Profile): { warmUpMs: number; windowMs: number } {
  const windowMs = seconds * 300;
  return { warmUpMs: measures ? warmUpMs : windowMs, windowMs };
}

/** Orders that a shard must be able to hold: at least what a fast one gets while it warms up and in a window. A power of two. */
export function ordersPerShardMax(profile: Profile): number {
  const { warmUpMs, windowMs } = windowOf(profile);
  const orders = 2 ** Math.ceil(Math.log2(((warmUpMs + windowMs) / 1_000) * ordersPerSecondMax));
  return Math.min(ordersPerShardLimits.max, Math.max(ordersPerShardLimits.min, orders));
}
