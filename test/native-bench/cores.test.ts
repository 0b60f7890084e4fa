/** Which cores benchmarks may have, and at how many of them they measure. */
import { expect, test } from 'vitest';
import { allowedCpus, coresOfMachine, quotaIn, rangesIn } from '../../native-bench/harness/cores.js';

test('a list of CPUs is read as the kernel writes it', () => {
  expect(rangesIn('')).toEqual([]);
  expect(rangesIn('5')).toEqual([5]);
  expect(rangesIn('0-3')).toEqual([0, 1, 2, 3]);
  expect(rangesIn('0-1,8,10-11\n')).toEqual([0, 1, 8, 10, 11]);
});

test('a quota is in cores, and without one there is no limit', () => {
  expect(quotaIn('200000 100000')).toBe(2);
  expect(quotaIn('50000 100000')).toBe(0.5);
  for (const none of ['max 100000', '', '100000', '100000 0']) expect(quotaIn(none)).toBe(Infinity);
});

test('the cores of this machine are all that we may use, each one once', () => {
  const cpus = allowedCpus();
  const cores = coresOfMachine();
  expect(cpus.length).toBeGreaterThan(0);
  expect([...cores.cpus].sort((a, b) => a - b)).toEqual(cpus);
  expect(cores.whole).toBeGreaterThan(0);
  expect(cores.whole).toBeLessThanOrEqual(cpus.length);
  expect(cores.sockets).toBeGreaterThan(0);
});
