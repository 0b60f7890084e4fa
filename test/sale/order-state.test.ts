/** The order state machine, exhaustively: every step from every status. */
import { expect, test } from 'vitest';
import {
  resultOfStep,
  Status,
  type StatusName,
  Step,
  statusName,
  targetOf,
} from '../../dist/sale/order-state.js';

const { held, confirmed, cancelled, expired } = Status;
const { confirm, cancel, expire } = Step;

test.each([
  ['held', confirm, 'change'],
  ['held', cancel, 'change'],
  ['held', expire, 'change'],
  ['confirmed', confirm, 'already'],
  ['confirmed', cancel, 'refused'],
  ['confirmed', expire, 'refused'],
  ['cancelled', confirm, 'refused'],
  ['cancelled', cancel, 'already'],
  ['cancelled', expire, 'refused'],
  ['expired', confirm, 'refused'],
  ['expired', cancel, 'refused'],
  ['expired', expire, 'already'],
] as const)('from %s, step %i: %s', (from, step, wanted) => {
  expect(resultOfStep(Status[from], step)).toBe(wanted);
});

test('each step leads to the status of its name, and none back to held', () => {
  expect([confirm, cancel, expire].map(targetOf)).toEqual([confirmed, cancelled, expired]);
});

test('an order that has left held never moves again', () => {
  const reached = new Set<Status>();
  for (const first of Object.values(Step)) {
    const status = targetOf(first);
    reached.add(status);
    for (const second of Object.values(Step)) expect(resultOfStep(status, second)).not.toBe('change');
  }
  expect(reached).toEqual(new Set([confirmed, cancelled, expired]));
});

test('statuses have the names of the contract', () => {
  const names: StatusName[] = ['held', 'confirmed', 'cancelled', 'expired'];
  expect([held, confirmed, cancelled, expired].map(statusName)).toEqual(names);
});
