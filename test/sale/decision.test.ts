/** The decision about a new order, against the rules of the HTTP contract, spelt out. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, refusalIn } from '../../dist/sale/decision.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { Phase } from '../../dist/sale/phase.js';
import { runs, seeded } from '../support/random.js';

test('only an open sale takes orders; each other phase is a refusal of its own', () => {
  expect(refusalIn(Phase.open)).toBeUndefined();
  expect(refusalIn(Phase.scheduled)).toBe(Outcome.notStarted);
  expect(refusalIn(Phase.paused)).toBe(Outcome.paused);
  expect(refusalIn(Phase.ended)).toBe(Outcome.ended);
});

test('every small case is decided by phase, then purchase limit, then stock', () => {
  const wrong: object[] = [];
  for (const phase of Object.values(Phase)) {
    for (let purchased = 0; purchased <= 4; purchased++) {
      for (let limit = 0; limit <= 4; limit++) {
        for (let available = 0; available <= 4; available++) {
          for (let quantity = 1; quantity <= 4; quantity++) {
            let wanted: Outcome = Outcome.done;
            if (available < quantity) wanted = Outcome.insufficientStock;
            if (available === 0) wanted = Outcome.soldOut;
            if (limit !== 0 && purchased + quantity > limit) wanted = Outcome.limitReached;
            if (phase === Phase.scheduled) wanted = Outcome.notStarted;
            if (phase === Phase.paused) wanted = Outcome.paused;
            if (phase === Phase.ended) wanted = Outcome.ended;
            const outcome = decide(phase, purchased, limit, available, quantity);
            if (outcome !== wanted)
              wrong.push({ phase, purchased, limit, available, quantity, outcome, wanted });
          }
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

describe(seeded('a decision'), () => {
  test('never sells more than is left, nor more than the limit, and nothing else is refused in an open sale', () => {
    const units = fc.oneof(fc.nat(20), fc.nat(2_000_000_000));
    fc.assert(
      fc.property(
        units,
        units,
        units,
        fc.integer({ min: 1, max: 1_000 }),
        (purchased, limit, available, quantity) => {
          const sold = decide(Phase.open, purchased, limit, available, quantity) === Outcome.done;
          const withinLimit = limit === 0 || purchased + quantity <= limit;
          expect(sold).toBe(quantity <= available && withinLimit);
        },
      ),
      runs(1_000),
    );
  });
});
