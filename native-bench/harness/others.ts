/** How many cores others had while something was measured: then a rate is too low, and no fault of what was measured. */
import { ticksOf, ticksPerSecond, treeTicks } from './cpu-ticks.js';

/** What others may have before it is said: a quiet system does so much by itself. */
const coresNoted = 0.1;
const shareNoted = 0.05;
/** With less time than this, what is said is about ticks and not about others. */
const secondsMin = 0.2;

interface Ticks {
  readonly programs: number;
  readonly all: number;
  readonly ours: number;
}

/** Watches CPUs while something is measured there, again and again. */
export class OthersWatch {
  readonly cpus: readonly number[];
  #all = 0;
  #others = 0;

  /** @param cpus those that what is measured may use */
  constructor(cpus: readonly number[]) {
    this.cpus = cpus;
  }

  async during<T>(work: () => Promise<T> | T): Promise<T> {
    const before = this.#ticks();
    const result = await work();
    const after = this.#ticks();
    if (before !== undefined && after !== undefined) {
      this.#all += after.all - before.all;
      this.#others += after.programs - before.programs - (after.ours - before.ours);
    }
    return result;
  }

  /** Of the CPUs, how many others had in all of the time; undefined where that cannot be told. */
  cores(): number | undefined {
    const { length } = this.cpus;
    if (this.#all < secondsMin * ticksPerSecond * length) return undefined;
    return Math.max(0, (this.#others / this.#all) * length);
  }

  #ticks(): Ticks | undefined {
    const ticks = ticksOf(this.cpus);
    const ours = treeTicks(process.pid);
    return ticks === undefined || ours === undefined ? undefined : { ...ticks, ours };
  }
}

/** By what was measured: how many cores others had, of how many. */
export interface Others {
  readonly name: string;
  readonly cores: number | undefined;
  readonly of: number;
}

/** A sentence for a report; undefined where nobody was busy. */
export function busyNote(contest: string | undefined, measured: readonly Others[]): string | undefined {
  const busy = measured.flatMap(({ name, cores, of }) =>
    cores !== undefined && cores > Math.max(coresNoted, shareNoted * of)
      ? [`${cores.toFixed(2)} of ${of} beside "${name}"`]
      : [],
  );
  if (busy.length === 0) return undefined;
  const where = contest === undefined ? '' : `, ${contest}`;
  return (
    `BUSY MACHINE${where}: others had cores meanwhile, ${busy.join(', ')}. Rates are too low, times too long, and ratios ` +
    'may be wrong as well: of a core that is shared who has more threads gets more.'
  );
}
