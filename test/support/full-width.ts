/** Whether an engine can still hold as many requests as it could when it started: whether no slot has leaked. */
import { expect } from 'vitest';
import type { Engine } from '../../dist/index.js';

/**
 * Fills the whole in-flight table within one turn of the event loop, and one more. The sale must be open, with stock
 * for all of them and without a limit.
 */
export async function expectFullWidth(engine: Engine, inFlightMax: number, sale: string, sku: string) {
  const outcomes = await Promise.all(
    Array.from({ length: inFlightMax + 1 }, (_, i) => engine.placeOrder({ sale, sku, buyer: `width-${i}` })),
  );
  const codes = outcomes.map((outcome) => (outcome.ok ? 'accepted' : outcome.code));
  const count = (code: string) => codes.filter((one) => one === code).length;
  expect({ accepted: count('accepted'), overloaded: count('overloaded') }).toEqual({
    accepted: inFlightMax,
    overloaded: 1,
  });
}
