/** How long a run of the benchmarks takes: rounds, seconds, sizes. */

export interface Profile {
  readonly name: 'smoke' | 'quick' | 'full';
  /** Rounds that count. Where figures mean something one more before them warms up what is there from the beginning. */
  readonly rounds: number;
  /** Rounds of contests that say `manyRounds`: each is short, and one differs much from the next. */
  readonly manyRounds: number;
  /** How long a load lasts, in each round. */
  readonly seconds: number;
  /** Orders of one measurement in process. */
  readonly orders: number;
  /** Whether figures mean anything: with `smoke` only what they are made of is checked. */
  readonly measures: boolean;
}

export const profiles: Readonly<Record<Profile['name'], Profile>> = {
  smoke: { name: 'smoke', rounds: 1, manyRounds: 1, seconds: 0.1, orders: 20_000, measures: false },
  quick: { name: 'quick', rounds: 5, manyRounds: 5, seconds: 1, orders: 1_000_000, measures: true },
  full: { name: 'full', rounds: 11, manyRounds: 21, seconds: 3, orders: 5_000_000, measures: true },
};
