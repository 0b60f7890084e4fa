/**
 * How many cores others had while something was measured, on this machine or on the host that it is a part of: then a rate is
 * too low, and no fault of what was measured.
 */
import { ticksOf, ticksPerSecond, treeTicks } from './cpu-ticks.js';

/** What others may have before it is said: a quiet system does so much by itself. */
const coresNoted = 0.1;
const shareNoted = 0.05;
/** With less time than this, what is said is about ticks and not about others. */
const secondsMin = 0.2;

interface Ticks {
  readonly programs: number;
  readonly stolen: number;
  readonly all: number;
  readonly ours: number;
}

/** Watches CPUs while something is measured there, again and again. */
export class OthersWatch {
  readonly cpus: readonly number[];
  #all = 0;
  #others = 0;
  #stolen = 0;

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
      this.#stolen += after.stolen - before.stolen;
    }
    return result;
  }

  /** Of the CPUs, how many others had in all of the time; undefined where that cannot be told. */
  cores(): number | undefined {
    return this.#coresOf(this.#others);
  }

  /** Of the CPUs, how many the host had no time for when they were needed; undefined where that cannot be told. */
  stolenCores(): number | undefined {
    return this.#coresOf(this.#stolen);
  }

  #coresOf(ticks: number): number | undefined {
    const { length } = this.cpus;
    if (this.#all < secondsMin * ticksPerSecond * length) return undefined;
    return Math.max(0, (ticks / this.#all) * length);
  }

  #ticks(): Ticks | undefined {
    const ticks = ticksOf(this.cpus);
    const ours = treeTicks(process.pid);
    return ticks === undefined || ours === undefined ? undefined : { ...ticks, ours };
  }
}

/** By what was measured: how many cores were somebody else's meanwhile, of how many. */
export interface Others {
  readonly name: string;
  /** Other programs'. */
  readonly cores: number | undefined;
  /** Other virtual machines', or the host's own. */
  readonly stolen: number | undefined;
  readonly of: number;
}

/** Sentences for a report; none where all cores were there for what was measured. */
export function othersNotes(contest: string | undefined, measured: readonly Others[]): string[] {
  const where = contest === undefined ? '' : `, ${contest}`;
  const busy = listed(measured.map(({ name, cores, of }) => ({ name, cores, of })));
  const stolen = listed(measured.map(({ name, stolen: cores, of }) => ({ name, cores, of })));
  const notes: string[] = [];
  if (busy !== '') {
    notes.push(
      `BUSY MACHINE${where}: others had cores meanwhile, ${busy}. Rates are too low, times too long, and ratios may be ` +
        'wrong as well: of a core that is shared who has more threads gets more.',
    );
  }
  if (stolen !== '') {
    notes.push(
      `STOLEN TIME${where}: the host of this virtual machine did not run cores that had work, ${stolen}. Rates are too ` +
        'low, times too long, and ratios may be wrong as well: who hands work from thread to thread waits more often.',
    );
  }
  return notes;
}

function listed(measured: readonly Omit<Others, 'stolen'>[]): string {
  return measured
    .filter(({ cores, of }) => cores !== undefined && cores > Math.max(coresNoted, shareNoted * of))
    .map(({ name, cores, of }) => `${cores!.toFixed(2)} of ${of} beside "${name}"`)
    .join(', ');
}
