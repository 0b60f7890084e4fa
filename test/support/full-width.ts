/** Whether an engine can still hold as many requests as it could when it started: whether no slot has leaked. */
import { expect } from 'vitest';
import type { Engine } from '../../dist/index.js';

/** A slot that has leaked is never free again; one of a request that is being answered is by the next try, or soon. */
const triesMax = 20;

/**
 * Fills the whole in-flight table within one turn of the event loop, and one more. The sale must be open, with stock
 * for all of them and without a limit. Requests of clients who have left may still be under way at first: a random hunt that
 * is out of time leaves its last ones behind.
 */
export async function expectFullWidth(engine: Engine, inFlightMax: number, sale: string, sku: string) {
  const expected = { accepted: inFlightMax, overloaded: 1 };
  for (let tries = 1; ; tries++) {
    const outcomes = await Promise.all(
      Array.from({ length: inFlightMax + 1 }, (_, i) =>
        engine.placeOrder({ sale, sku, buyer: `width-${i}` }),
      ),
    );
    const codes = outcomes.map((outcome) => (outcome.ok ? 'accepted' : outcome.code));
    const count = (code: string) => codes.filter((one) => one === code).length;
    const found = { accepted: count('accepted'), overloaded: count('overloaded') };
    if (tries < triesMax && found.accepted < inFlightMax) continue;
    expect(found).toEqual(expected);
    return;
  }
}
