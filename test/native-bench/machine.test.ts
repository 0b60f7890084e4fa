/** What the benchmarks say of a machine: who is busy there. */
import { expect, test } from 'vitest';
import { ancestors, busiest, busyBefore, type Processes } from '../../native-bench/harness/busy-before.js';

type Row = readonly [pid: number, name: string, busy: number, startedAt?: number];
const processes = (...rows: readonly Row[]): Processes =>
  new Map(
    rows.map(([pid, name, busy, startedAt = 5]) => [
      pid,
      { name, parent: pid - 1, startedAt, busy, program: 0, reaped: 0 },
    ]),
  );

test('who was busy is told by what it did meanwhile, not by what it ever did', () => {
  const [mine, idle]: Row[] = [
    [3, 'mine', 200],
    [6, 'idle', 0],
  ];
  const before = processes([1, 'old', 90_000], [2, 'fresh', 10], idle!, [4, 'number', 900, 7]);
  const after = processes(
    [1, 'old', 90_004],
    [2, 'fresh', 130],
    mine!,
    [4, 'number', 30, 8],
    [5, 'new', 60],
    idle!,
  );
  expect(busiest(before, after, 2, new Set([3]))).toEqual(['fresh 60 %', 'new 30 %', 'number 15 %']);
});

test('whoever waits for us is not busy on its own account', () => {
  const all = processes([1, 'init', 0], [2, 'npm', 0], [3, 'node', 0], [5, 'other', 0]);
  expect([...ancestors(all, 3)]).toEqual([3, 2, 1]);
});

test.runIf(process.platform === 'linux')('this machine is looked at for a second', async () => {
  const busy = await busyBefore();
  expect(busy!.cores).toBeGreaterThanOrEqual(0);
  for (const one of busy!.processes) expect(one).toMatch(/^.+ \d+ %$/);
});
