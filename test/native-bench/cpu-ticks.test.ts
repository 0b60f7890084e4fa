/** Whose CPU time it was while a benchmark measured, and what is said where it was somebody else's. */
import { expect, test } from 'vitest';
import { processIn, ticksIn, ticksPerSecond, treeTicks } from '../../native-bench/harness/cpu-ticks.js';
import { OthersWatch, othersNotes } from '../../native-bench/harness/others.js';
import { runProgram } from '../../native-bench/harness/programs.js';

const stat = `cpu  9 9 9 9 9 9 9 9 9 9
cpu0 100 10 20 500 30 4 6 8 50 5
cpu1 1 2 3 4 5 6 7 8 0 0
cpu10 1000 0 0 1000 0 0 0 0 0 0
intr 12345`;

test('a CPU is busy with programs, the kernel and other machines; waiting and interrupts are nobody’s', () => {
  expect(ticksIn(stat, [0])).toEqual({ busy: 138, programs: 110, stolen: 8, all: 678 });
  expect(ticksIn(stat, [1])).toEqual({ busy: 14, programs: 3, stolen: 8, all: 36 });
  expect(ticksIn(stat, [0, 1])).toEqual({ busy: 152, programs: 113, stolen: 16, all: 714 });
  expect(ticksIn(stat, [10])).toEqual({ busy: 1_000, programs: 1_000, stolen: 0, all: 2_000 });
  expect(ticksIn(stat, [2])).toBeUndefined();
});

test('a process is read whatever its name is', () => {
  const rest = 'S 7 7 7 0 -1 4194560 4821 698757 0 45 20 6 3468 1156 20 0 1 0 217870 5246976 939';
  const read = { parent: 7, startedAt: 217_870, busy: 26, program: 20, reaped: 3_468 };
  expect(processIn(`12 (node) ${rest}`)).toEqual({ name: 'node', ...read });
  expect(processIn(`12 (a) S 1 (b) c) ${rest}`)).toEqual({ name: 'a) S 1 (b) c', ...read });
});

test.runIf(process.platform === 'linux')(
  'what a process has started is counted with it, also when it is gone',
  async () => {
    const before = treeTicks(process.pid)!;
    const burn = 'const t = process.cpuUsage; while (t().user < 3e5);';
    await runProgram(process.execPath, ['-e', burn]);
    expect(treeTicks(process.pid)! - before).toBeGreaterThanOrEqual(0.28 * ticksPerSecond);
  },
);

test('little time says nothing about others', async () => {
  const watch = new OthersWatch([0]);
  expect(await watch.during(() => 5)).toBe(5);
  expect(watch.cores()).toBeUndefined();
  expect(watch.stolenCores()).toBeUndefined();
});

test('it is said who had to share, and nothing of what a quiet system does by itself', () => {
  const of = 2;
  const quiet = { name: 'quiet', cores: 0.1, stolen: 0.1, of };
  const unknown = { name: 'unknown', cores: undefined, stolen: undefined, of };
  expect(othersNotes('orders', [quiet, unknown])).toEqual([]);
  expect(othersNotes('orders', [{ name: 'large', cores: 3, stolen: 3, of: 64 }])).toEqual([]);
  const busy = [quiet, { ...quiet, name: 'a', cores: 0.456 }, { ...quiet, name: 'b', cores: 1 }];
  expect(othersNotes('orders', busy)).toEqual([
    expect.stringContaining(
      'BUSY MACHINE, orders: others had cores meanwhile, 0.46 of 2 beside "a", 1.00 of 2 beside "b".',
    ),
  ]);
});

test('what the host of a virtual machine kept back is told from what other programs had', () => {
  const stolen = [{ name: 'a', cores: 0, stolen: 0.3, of: 2 }];
  expect(othersNotes(undefined, stolen)).toEqual([
    expect.stringContaining(
      'STOLEN TIME: the host of this virtual machine did not run cores that had work, 0.30 of 2 beside "a".',
    ),
  ]);
  expect(othersNotes('orders', [{ name: 'a', cores: 0.4, stolen: 0.3, of: 2 }])).toHaveLength(2);
});
