/** What a report says of a target, whatever it is written for. Pure. */
import type { Profile } from './profile.js';
import type { BenchResult, ContestResult, Ratio } from './report.js';

/** `–`: nothing can be said, because the profile measures nothing. */
export type Verdict = 'met' | 'missed' | 'failed' | '–';

/** Whether a ratio reached its target, or undefined where it has none. No figure counts of a benchmark that failed. */
export function verdictOf(
  { measures }: Profile,
  { failure }: BenchResult,
  { target, met }: Ratio,
): Verdict | undefined {
  if (target === undefined) return undefined;
  if (!measures) return '–';
  if (failure !== undefined) return 'failed';
  return met ? 'met' : 'missed';
}

/** What is to be said after a verdict, or nothing. */
export function reserve({ busy }: BenchResult, verdict: Verdict | undefined): string {
  return busy && (verdict === 'met' || verdict === 'missed') ? ', while others had cores' : '';
}

/** Such as `≥ 0.9`, in one piece. */
export function goalOf({ better }: ContestResult, { target }: Ratio): string {
  return `${better === 'higher' ? '≥' : '≤'}\u00a0${target}`;
}
