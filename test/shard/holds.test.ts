/** Hold deadlines against a plain list: every hold runs out once, in time, never early, whatever their lengths. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HoldQueues } from '../../dist/shard/holds.js';
import { OrderTable } from '../../dist/shard/orders.js';
import { runs, seeded } from '../support/random.js';

interface Hold {
  readonly number: number;
  readonly holdMs: number;
  readonly deadlineMs: number;
}

function holdsWith(): { add: (createdAtMs: number, holdMs: number) => Hold; holds: HoldQueues } {
  const orders = new OrderTable(300);
  const holds = new HoldQueues(orders);
  return {
    holds,
    add: (createdAtMs, holdMs) => {
      const number = orders.count;
      orders.append({
        createdAtMs,
        buyer: 0,
        row: 0,
        quantity: 1,
        sequence: 1,
        status: 1,
        durability: 0,
      });
      holds.add(number, createdAtMs, holdMs);
      return { number, holdMs, deadlineMs: createdAtMs + holdMs };
    },
  };
}

test('with nothing held, nothing is ever due', () => {
  const { holds } = holdsWith();
  expect(holds.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  expect(holds.takeDue(Number.MAX_SAFE_INTEGER)).toBe(-1);
});

test('a hold is due at its deadline, to the millisecond, and once', () => {
  const { holds, add } = holdsWith();
  const { number } = add(1_000, 300);
  expect(holds.nextDeadlineMs).toBe(1_300);
  expect(holds.takeDue(1_299)).toBe(-1);
  expect(holds.takeDue(1_300)).toBe(number);
  expect(holds.takeDue(1_300)).toBe(-1);
  expect(holds.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
});

test('a short hold made later is due before a long one made earlier', () => {
  const { holds, add } = holdsWith();
  const long = add(0, 1_000);
  const short = add(10, 100);
  expect(holds.nextDeadlineMs).toBe(110);
  expect(holds.takeDue(500)).toBe(short.number);
  expect(holds.takeDue(500)).toBe(-1);
  expect(holds.nextDeadlineMs).toBe(1_000);
  expect(holds.takeDue(1_000)).toBe(long.number);
});

test('a hold of a length that had run dry is taken up again', () => {
  const { holds, add } = holdsWith();
  add(0, 100);
  expect(holds.takeDue(100)).toBe(0);
  const again = add(150, 100);
  expect(holds.nextDeadlineMs).toBeLessThanOrEqual(250);
  expect(holds.takeDue(249)).toBe(-1);
  expect(holds.takeDue(250)).toBe(again.number);
});

describe(seeded('hold queues'), () => {
  test('give up each hold once and in time, those of one length in the order made, and never announce too late', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ holdMs: fc.constantFrom(1, 5, 50, 51, 1_000), waitMs: fc.nat(20) }),
      },
      // How many the caller takes at a time is his.
      { weight: 2, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 8 }), waitMs: fc.nat(60) }) },
    );
    const property = fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { holds, add } = holdsWith();
      let waiting: Hold[] = [];
      let nowMs = 1_000;
      const next = () => Math.min(...waiting.map(({ deadlineMs }) => deadlineMs), Number.POSITIVE_INFINITY);
      const takeOne = (): boolean => {
        const number = holds.takeDue(nowMs);
        if (number === -1) {
          expect(next()).toBeGreaterThan(nowMs);
          expect(holds.nextDeadlineMs).toBe(next());
          return false;
        }
        const taken = waiting.find((hold) => hold.number === number);
        expect(taken?.deadlineMs).toBeLessThanOrEqual(nowMs);
        // Nobody of the same length waits longer.
        const sameLength = waiting.filter(({ holdMs }) => holdMs === taken!.holdMs);
        expect(sameLength[0]).toBe(taken);
        waiting = waiting.filter((hold) => hold !== taken);
        return true;
      };
      for (const one of steps) {
        nowMs += one.waitMs;
        if ('holdMs' in one) {
          waiting.push(add(nowMs, one.holdMs));
        } else {
          for (let i = 0; i < one.take && takeOne(); i++);
        }
        expect(holds.nextDeadlineMs).toBeLessThanOrEqual(next());
      }
      nowMs = 1_000_000;
      while (takeOne());
      expect(waiting).toEqual([]);
    });
    fc.assert(property, runs(300));
  });
});
