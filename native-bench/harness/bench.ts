/**
 * What a benchmark is, and what it is given to run with. Contenders of a contest run in turns: neighbours in their list
 * are measured one right after the other, and every second round goes through the list backwards, because a shared machine
 * changes its speed within seconds.
 */
import { loadNow } from './busy-before.js';
import { allowedCpus } from './cores.js';
import { OthersWatch, othersNotes } from './others.js';
import type { Profile } from './profile.js';
import type { BenchResult, ContestResult, Curves, Figure, Ratio, Skip } from './report.js';
import { ratios, summaryOf, summaryText } from './statistics.js';

export interface Bench {
  /** As it is asked for on the command line. */
  readonly name: string;
  readonly title: string;
  readonly run: (run: BenchRun) => Promise<void>;
}

export interface Contender {
  readonly name: string;
  /**
   * Measures once, and returns the figure in the contest's unit.
   *
   * @param round 0 for the one that warms up and does not count
   * @throws Error where what was computed is wrong
   */
  readonly measure: (round: number) => Promise<number> | number;
  /** Numbers of the CPUs that it is kept on, where that is not all that we may use. */
  readonly cpus?: readonly number[];
}

export interface Contest {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Whether there are more rounds of it, because they are short and differ much. */
  readonly manyRounds?: boolean;
  /** Called before each round, that which warms up included, and not part of what is measured. */
  readonly prepare?: (round: number) => Promise<void>;
  /** One that is undefined was skipped. */
  readonly contenders: readonly (Contender | undefined)[];
  /** Ratios between contenders, by name; one with a skipped contender is left out. */
  readonly ratios?: readonly { readonly of: string; readonly to: string; readonly target?: number }[];
}

export class BenchRun {
  readonly profile: Profile;
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  readonly loadBefore = loadNow();
  readonly #tell: (line: string) => void;
  readonly #contests: ContestResult[] = [];
  readonly #curves: Curves[] = [];
  readonly #notes: string[] = [];
  readonly #skips: Skip[] = [];
  #busy = false;
  readonly #startedMs = performance.now();

  constructor(profile: Profile, folder: string, tell: (line: string) => void) {
    this.profile = profile;
    this.folder = folder;
    this.#tell = tell;
  }

  /** Says how far it is, to whoever waits. */
  say(line: string): void {
    this.#tell(line);
  }

  /**
   * Lets contenders take turns, and returns what each measured, by name, in the order of rounds; the round that warms up
   * is left out. Notes where others had cores meanwhile.
   *
   * @param contest.name what it is called in that note
   * @param contest.manyRounds whether there are more rounds, because they are short and differ much
   * @param contest.prepare called before each round
   */
  async turns<T>(
    contenders: readonly (Pick<Contender, 'name' | 'cpus'> & {
      readonly measure: (round: number) => Promise<T> | T;
    })[],
    heard: (name: string, round: number, value: T) => void,
    {
      name: contest,
      manyRounds = false,
      prepare,
    }: Partial<Pick<Contest, 'name' | 'manyRounds' | 'prepare'>> = {},
  ): Promise<Map<string, T[]>> {
    const count = manyRounds ? this.profile.manyRounds : this.profile.rounds;
    const all = allowedCpus();
    const seats = contenders.map(({ name, measure, cpus = all }) => ({
      ...{ name, measure, rounds: [] as T[], watch: new OthersWatch(cpus) },
    }));
    // Nothing is to be warmed up where nothing is measured.
    for (let round = this.profile.measures ? 0 : 1; round <= count; round++) {
      await prepare?.(round);
      for (const { name, measure, rounds, watch } of round % 2 === 0 ? seats : seats.toReversed()) {
        const value = await (round === 0 ? measure(round) : watch.during(() => measure(round)));
        heard(name, round, value);
        if (round > 0) rounds.push(value);
      }
    }
    this.#noteOthers(contest, seats);
    return new Map(seats.map(({ name, rounds }) => [name, rounds]));
  }

  #noteOthers(
    contest: string | undefined,
    seats: readonly { readonly name: string; readonly watch: OthersWatch }[],
  ): void {
    if (!this.profile.measures) return;
    const notes = othersNotes(
      contest,
      seats.map(({ name, watch }) => {
        const { length: of } = watch.cpus;
        return { name, cores: watch.cores(), stolen: watch.stolenCores(), of };
      }),
    );
    for (const note of notes) this.note(note);
    if (notes.length > 0) this.#busy = true;
  }

  /** Runs a contest and keeps its figures. */
  async contest(contest: Contest): Promise<ContestResult> {
    const contenders = contest.contenders.filter((one) => one !== undefined);
    const heard = (name: string, round: number, value: number) => {
      if (!Number.isFinite(value)) throw new Error(`${name}: ${value} is no figure`);
      if (round > 0) this.say(`${contest.name}, round ${round}: ${name} ${format(value)} ${contest.unit}`);
    };
    const rounds = await this.turns(contenders, heard, contest);
    const figures = contenders.map(({ name }) => ({ name, ...summaryOf(rounds.get(name)!) }));
    return this.#keep(contest, figures);
  }

  /** Keeps figures that were measured otherwise: for each contender the values of all rounds. */
  keep(
    contest: Omit<Contest, 'contenders'>,
    values: Readonly<Record<string, readonly number[]>>,
  ): ContestResult {
    const figures = Object.entries(values).map(([name, rounds]) => ({ name, ...summaryOf(rounds) }));
    return this.#keep(contest, figures);
  }

  #keep(
    { name, unit, better, ratios: wanted = [] }: Omit<Contest, 'contenders'>,
    figures: Figure[],
  ): ContestResult {
    const wrong = figures.find(({ rounds }) => rounds.length === 0 || !rounds.every(Number.isFinite));
    if (wrong !== undefined)
      throw new Error(`${name}: ${wrong.name} has ${wrong.rounds.join(', ')}: no figure`);
    const find = (contender: string) => figures.find((figure) => figure.name === contender);
    const found = wanted.flatMap(({ of, to, target }): Ratio[] => {
      const [value, base] = [find(of), find(to)];
      if (value === undefined || base === undefined) return [];
      if (value.rounds.length !== base.rounds.length) {
        throw new Error(
          `${name}: ${of} and ${to} have not the same rounds, so no ratio can be taken within one`,
        );
      }
      const ratio = summaryOf(ratios(value.rounds, base.rounds));
      if (target === undefined) return [{ of, to, ...ratio }];
      if (!this.profile.measures) return [{ of, to, ...ratio, target }];
      const met = better === 'higher' ? ratio.median >= target : ratio.median <= target;
      return [{ of, to, ...ratio, target, met }];
    });
    const result = { name, unit, better, figures, ratios: found };
    this.#contests.push(result);
    for (const { of, to, ...ratio } of found) this.say(`${name}: ${of} / ${to} ${summaryText(ratio)}`);
    return result;
  }

  curves(curves: Curves): void {
    this.#curves.push(curves);
  }

  note(sentence: string): void {
    this.#notes.push(sentence);
  }

  /** A contender cannot run here. Returns undefined, to stand in a contest's list. */
  skip(name: string, why: string, install: string): undefined {
    this.#skips.push({ name, why, install });
    this.say(`skipped ${name}: ${why}; to have it: ${install}`);
    return undefined;
  }

  result({ name, title }: Bench, failure?: string): BenchResult {
    return {
      ...{ name, title, contests: this.#contests, curves: this.#curves, notes: this.#notes },
      ...{ skips: this.#skips, busy: this.#busy },
      ...(failure === undefined ? {} : { failure }),
      ...{ loadBefore: this.loadBefore, spentMs: Math.round(performance.now() - this.#startedMs) },
    };
  }
}

function format(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 });
}
