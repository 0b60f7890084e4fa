/** What a run of the benchmarks found: the shape of report.json. Every rate and time has its rounds, none is averaged away. */
import type { Machine } from './machine.js';
import type { Profile } from './profile.js';

export interface Summary {
  /** In the order of rounds. */
  readonly rounds: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One contender of a contest. */
export interface Figure extends Summary {
  readonly name: string;
}

/** One contender beside another, round by round. */
export interface Ratio extends Summary {
  readonly of: string;
  readonly to: string;
  /** What it should reach (`higher` is better) or stay below (`lower`). */
  readonly target?: number;
  /** Absent without a target, and where nothing is measured. */
  readonly met?: boolean;
}

export interface ContestResult {
  readonly name: string;
  /** Such as `orders/s`, `ms`, `ns/op`. */
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
}

/** Points to be drawn as lines: a scaling curve, percentiles. */
export interface Curves {
  readonly name: string;
  readonly x: { readonly label: string; readonly scale: 'linear' | 'log' };
  readonly y: { readonly label: string; readonly scale: 'linear' | 'log' };
  readonly lines: readonly {
    readonly name: string;
    readonly points: readonly (readonly [x: number, y: number])[];
    /** Not measured, but computed from what was. */
    readonly projection?: boolean;
  }[];
}

/** A contender that could not run. */
export interface Skip {
  readonly name: string;
  readonly why: string;
  /** The command that makes it run. */
  readonly install: string;
}

export interface BenchResult {
  readonly name: string;
  readonly title: string;
  readonly contests: readonly ContestResult[];
  readonly curves: readonly Curves[];
  /** Sentences about the figures: what bounds them, how a curve was fitted. */
  readonly notes: readonly string[];
  readonly skips: readonly Skip[];
  /**
   * Whether others had cores while it was measured, on this machine or on its host: its notes say where. Its figures are not
   * to be believed then.
   */
  readonly busy: boolean;
  /** Why it ended early; its figures are not to be believed then. */
  readonly failure?: string;
  /** Load averages of 1, 5 and 15 minutes before it; the benchmarks before it are in them. */
  readonly loadBefore: readonly number[];
  readonly spentMs: number;
}

export interface Report {
  readonly startedAt: string;
  readonly spentMs: number;
  readonly profile: Profile;
  readonly machine: Machine;
  readonly benches: readonly BenchResult[];
  /** Names of those that have not run: the report is written after each. None when the run got to its end. */
  readonly toCome: readonly string[];
}
