/** Makes contenders out of measurements, and keeps what each of them measured beside its rate. */
import type { BenchRun, Contender } from '../harness/bench.js';
import { type Cores, pinTo } from '../harness/cores.js';
import type { Profile } from '../harness/profile.js';
import { median } from '../harness/statistics.js';
import { type Measured, type Measurement, run as measure } from './measurement.js';

/** As many as one sale may have, so that they spread evenly over any number of shards. */
export const skus = 1_024;
const stockPerSku = 1_000_000_000;
/** Of SKUs that are to sell out: few, and little of each. */
const scarce = { skus: 64, stock: 50, windowMs: 250 } as const;
/** More than a shard has ever done. */
const ordersPerSecondMax = 4_000_000;
const ordersPerShardLimits = { min: 1 << 18, max: 1 << 24 } as const;
/** How long a measurement runs before its window, at most: until everything hot is compiled. */
const warmUpMsMax = 600;

export type Setting = Pick<Measurement, 'shards' | 'producers' | 'demand' | 'durability'>;

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

  /** @param cores how many cores the process is kept on */
  contender(name: string, setting: Setting, cores: number): Contender {
    const results: Measured[] = [];
    this.#measured.set(name, results);
    return {
      ...{ name, cpus: this.#cpusOf(cores) },
      measure: async (round) => {
        // Every measurement warms up by itself, in a process of its own: a round before them would warm up nothing.
        if (round === 0) return 0;
        const measured = await this.#measure(setting, cores, {});
        results.push(measured);
        return measured.ordersPerSecond;
      },
    };
  }

  /** Sells a small stock out to a large demand. Throws where not exactly the stock was sold. */
  async sellOut(setting: Setting, cores: number): Promise<void> {
    const { skus, stock, windowMs } = scarce;
    await this.#measure(setting, cores, { skus, stock, windowMs, sellsOut: true });
  }

  #measure(setting: Setting, cores: number, other: Partial<Measurement>): Promise<Measured> {
    const measurement: Measurement = {
      ...{ ...setting, skus, stock: stockPerSku, sellsOut: false },
      ...{ ...windowOf(this.#run.profile), folder: this.#run.folder },
      ...{ ordersPerShardMax: ordersPerShardMax(this.#run.profile) },
      ...other,
    };
    const pin = this.#taskset === undefined ? [] : pinTo(this.#taskset, this.#cpusOf(cores));
    return measure(measurement, pin);
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

export function windowOf({ seconds }: Profile): { warmUpMs: number; windowMs: number } {
  const windowMs = seconds * 300;
  return { warmUpMs: Math.min(warmUpMsMax, 2 * windowMs), windowMs };
}

/** Orders that a shard must be able to hold: what the fastest one would get in the time. A power of two. */
export function ordersPerShardMax(profile: Profile): number {
  const { warmUpMs, windowMs } = windowOf(profile);
  const orders = 2 ** Math.ceil(Math.log2(((warmUpMs + windowMs) / 1_000) * ordersPerSecondMax));
  return Math.min(ordersPerShardLimits.max, Math.max(ordersPerShardLimits.min, orders));
}
