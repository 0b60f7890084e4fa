/** Phases: scheduled → open ⇄ paused → ended, by time and by what the operator said. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Phase, phaseAt, phaseName, SaleState } from '../../dist/sale/phase.js';
import { runs, seeded } from '../support/random.js';

const times = { startsAtMs: 1_000, endsAtMs: 2_000 };
const { scheduled, open, paused, ended } = Phase;

test.each([
  [SaleState.running, [scheduled, scheduled, open, open, ended, ended]],
  [SaleState.paused, [scheduled, scheduled, paused, paused, ended, ended]],
  [SaleState.ended, [ended, ended, ended, ended, ended, ended]],
])('operator state %i opens and ends to the millisecond', (state, phases) => {
  expect([0, 999, 1_000, 1_999, 2_000, 9_999].map((nowMs) => phaseAt(times, state, nowMs))).toEqual(phases);
});

test('a sale without an end stays open', () => {
  const forever = { startsAtMs: 0, endsAtMs: Number.POSITIVE_INFINITY };
  expect(phaseAt(forever, SaleState.running, Number.MAX_SAFE_INTEGER)).toBe(open);
});

test('phases have the names of the contract', () => {
  expect([scheduled, open, paused, ended].map(phaseName)).toEqual(['scheduled', 'open', 'paused', 'ended']);
});

describe(seeded('with time alone'), () => {
  test('a sale never goes back: not before it was, and not from ended', () => {
    const anyTimes = fc
      .tuple(fc.nat(1_000), fc.nat(1_000))
      .map(([startsAtMs, lasts]) => ({ startsAtMs, endsAtMs: startsAtMs + 1 + lasts }));
    const state = fc.constantFrom(...Object.values(SaleState));
    fc.assert(
      fc.property(anyTimes, state, fc.nat(3_000), fc.nat(3_000), (given, said, nowMs, laterMs) => {
        const rank = (phase: Phase) => (phase === scheduled ? 0 : phase === ended ? 2 : 1);
        const before = phaseAt(given, said, nowMs);
        const after = phaseAt(given, said, nowMs + laterMs);
        expect(rank(after)).toBeGreaterThanOrEqual(rank(before));
      }),
      runs(500),
    );
  });
});
