/**
 * What outlives a simulated process: the data folder, the catalogue's records, the clocks, and the dice. Everything
 * random in a simulation comes from the one source of numbers here, so that a seed is a whole run.
 */
import type { SaleRecord } from '#dist/sale/catalogue.js';
import { randomFrom } from '../support/seed.js';

/** Things that fail by themselves once the simulation has armed them: counted when they do. */
export type Failure =
  | 'before faults'
  | 'after faults'
  | 'torn faults'
  | 'failed records'
  | 'unsettled records';

/** A failure that the simulation made: every other one is a defect. */
export class InjectedFault extends Error {}

export class World {
  readonly #random: () => number;
  readonly path: string;
  readonly shards: number;
  readonly durability: 'fsync' | 'commit';
  /** By sale: what the catalogue has on disk. */
  readonly records = new Map<string, SaleRecord>();
  /** The machine's clock, which somebody may set. ms since the epoch. */
  wallMs = 1_800_000_000_000;
  /** Time that passes, whatever the clock says. */
  monotonicMs = 0;

  /** Told of every failure when it happens. */
  readonly onFailure: (failure: Failure) => void;

  constructor(seed: number, path: string, onFailure: (failure: Failure) => void) {
    this.#random = randomFrom(seed);
    this.path = path;
    this.onFailure = onFailure;
    this.shards = this.pick([1, 1, 2, 3]);
    this.durability = this.pick(['fsync', 'commit']);
  }

  /** A whole number from 0 below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.monotonicMs += ms;
  }
}
