/** When a contest over HTTP starts servers of its own again. */
import { expect, test } from 'vitest';
import { startsBefore } from '../../native-bench/http/closed-loop.js';

test('servers of a contest’s own are started before its first round, and again after every eight that count', () => {
  const rounds = Array.from({ length: 26 }, (_, round) => round);
  expect(rounds.filter(startsBefore)).toEqual([0, 9, 17, 25]);
});
