/** The phase of a sale at an instant, pure: a function of its times and of what the operator said. */

export const Phase = { scheduled: 0, open: 1, paused: 2, ended: 3 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];
export type PhaseName = keyof typeof Phase;

const names: readonly PhaseName[] = ['scheduled', 'open', 'paused', 'ended'];

/** The name of a phase number. */
export function phaseName(phase: Phase): PhaseName {
  return names[phase]!;
}

/** What the operator said of a sale, beyond its times. In the order of how little they admit. */
export const SaleState = { running: 0, paused: 1, ended: 2 } as const;
export type SaleState = (typeof SaleState)[keyof typeof SaleState];

/**
 * Of what two threads know the operator said, what admits less: a shard that has just started again may have yet to hear
 * of a pause or an end that everybody else can see.
 */
export function strictest(a: SaleState, b: SaleState): SaleState {
  return a > b ? a : b;
}

export interface SaleTimes {
  /** Milliseconds since the epoch. */
  readonly startsAtMs: number;
  /** Milliseconds since the epoch; `Infinity` for a sale without an end. */
  readonly endsAtMs: number;
}

/** The phase at `nowMs`. A sale opens at `startsAtMs` and has ended at `endsAtMs`, both to the millisecond. */
export function phaseAt(times: SaleTimes, state: SaleState, nowMs: number): Phase {
  if (state === SaleState.ended || nowMs >= times.endsAtMs) return Phase.ended;
  if (nowMs < times.startsAtMs) return Phase.scheduled;
  return state === SaleState.paused ? Phase.paused : Phase.open;
}
