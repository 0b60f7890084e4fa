/** Contests of the benchmarks: who is measured when, what counts, and what becomes of ratios and targets. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { BenchRun, type Contender } from '../../native-bench/harness/bench.js';
import { OthersWatch } from '../../native-bench/harness/others.js';
import { profiles } from '../../native-bench/harness/profile.js';

const quick = profiles.quick;
const newRun = (rounds: number) => new BenchRun({ ...quick, rounds }, '/nowhere', () => undefined);
const always = (name: string, value: number): Contender => ({ name, measure: () => value });
const orders = { name: 'orders', unit: 'orders/s', better: 'higher' as const };
const latency = { name: 'latency', unit: 'ms', better: 'lower' as const };

test('contenders run in turns, every second round backwards', async () => {
  const turns: string[] = [];
  const contender = (name: string): Contender => ({
    name,
    measure: (round) => {
      turns.push(`${name}${round}`);
      return 1;
    },
  });
  await newRun(3).contest({ ...orders, contenders: ['a', 'b', 'c'].map(contender) });
  expect(turns.join(' ')).toBe('a0 b0 c0 c1 b1 a1 a2 b2 c2 c3 b3 a3');
});

test('what a round needs is done before it, and before all of its contenders', async () => {
  const events: string[] = [];
  const contender = (name: string): Contender => ({
    name,
    measure: (round) => events.push(`${name}${round}`),
  });
  await newRun(2).contest({
    ...{ ...orders, contenders: ['a', 'b'].map(contender) },
    prepare: async (round) => {
      events.push(`prepare${round}`);
    },
  });
  expect(events.join(' ')).toBe('prepare0 a0 b0 prepare1 b1 a1 prepare2 a2 b2');
});

test('the round that warms up does not count', async () => {
  const measure = (round: number) => (round === 0 ? 1_000_000 : round);
  const { figures } = await newRun(3).contest({ ...orders, contenders: [{ name: 'a', measure }] });
  expect(figures).toEqual([{ name: 'a', rounds: [1, 2, 3], median: 2, min: 1, max: 3 }]);
});

test('a contest that asks for many rounds has as many as the profile says, and its ratios too', async () => {
  const run = new BenchRun({ ...quick, rounds: 1, manyRounds: 3 }, '/nowhere', () => undefined);
  const contenders = [always('a', 6), always('b', 3)];
  const { figures, ratios } = await run.contest({
    ...{ ...orders, contenders, manyRounds: true },
    ratios: [{ of: 'a', to: 'b' }],
  });
  expect(figures.map(({ rounds }) => rounds)).toEqual([
    [6, 6, 6],
    [3, 3, 3],
  ]);
  expect(ratios[0]!.rounds).toEqual([2, 2, 2]);
});

test('a ratio is the median of what each round says, not of the medians', async () => {
  const contenders = [
    { name: 'fast', measure: (round: number) => [0, 10, 30, 80][round]! },
    { name: 'slow', measure: (round: number) => [0, 10, 10, 40][round]! },
  ];
  const { ratios } = await newRun(3).contest({
    ...{ ...orders, contenders },
    ratios: [{ of: 'fast', to: 'slow' }],
  });
  expect(ratios).toEqual([{ of: 'fast', to: 'slow', rounds: [1, 3, 2], median: 2, min: 1, max: 3 }]);
});

test.each([
  { contest: orders, target: 0.9, met: true },
  { contest: orders, target: 0.5, met: true },
  { contest: orders, target: 0.91, met: false },
  { contest: latency, target: 0.9, met: true },
  { contest: latency, target: 1.2, met: true },
  { contest: latency, target: 0.89, met: false },
])('with $contest.better better, 0.9 beside a target of $target is met: $met', ({ contest, target, met }) => {
  const wanted = [{ of: 'a', to: 'b', target }];
  const { ratios } = newRun(1).keep({ ...contest, ratios: wanted }, { a: [9], b: [10] });
  expect(ratios[0]).toMatchObject({ median: 0.9, target, met });
});

test.each([
  ['others had cores', 'cores', 'BUSY MACHINE'],
  ['the host kept cores back', 'stolenCores', 'STOLEN TIME'],
] as const)('a benchmark during which %s says so', async (_, method, note) => {
  vi.spyOn(OthersWatch.prototype, 'cores').mockReturnValue(0);
  vi.spyOn(OthersWatch.prototype, 'stolenCores').mockReturnValue(0);
  const others = vi.spyOn(OthersWatch.prototype, method);
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  const run = newRun(1);
  const bench = { name: 'orders', title: 'Orders', run: async () => undefined };
  await run.contest({ ...orders, contenders: [always('a', 1)] });
  expect(run.result(bench)).toMatchObject({ busy: false, notes: [] });
  others.mockReturnValue(1);
  await run.contest({ ...orders, contenders: [always('a', 1)] });
  expect(run.result(bench)).toMatchObject({ busy: true, notes: [expect.stringContaining(note)] });
});

test('who was skipped is reported with what installs it, and takes part in no ratio', async () => {
  const run = newRun(1);
  const contenders = [always('leiniao', 2), run.skip('Redis', 'it is not in PATH', 'apt-get install redis')];
  const ratios = [{ of: 'leiniao', to: 'Redis', target: 2 }];
  const result = await run.contest({ ...orders, contenders, ratios });
  expect(result.figures.map(({ name }) => name)).toEqual(['leiniao']);
  expect(result.ratios).toEqual([]);
  const { skips } = run.result({ name: 'x', title: 'X', run: async () => undefined });
  expect(skips).toEqual([{ name: 'Redis', why: 'it is not in PATH', install: 'apt-get install redis' }]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])('%d is no figure', async (value) => {
  const run = newRun(1);
  await expect(run.contest({ ...orders, contenders: [always('a', value)] })).rejects.toThrow('no figure');
  expect(() => run.keep(orders, { a: [1, value] })).toThrow('no figure');
  expect(() => run.keep(orders, { a: [] })).toThrow('no figure');
});

test('there is no ratio of contenders that had different rounds', () => {
  const ratios = [{ of: 'a', to: 'b' }];
  expect(() => newRun(1).keep({ ...orders, ratios }, { a: [1, 2], b: [1] })).toThrow('not the same rounds');
});

test('what a benchmark has found so far is kept when it fails', () => {
  const run = newRun(1);
  run.keep(orders, { a: [1] });
  run.note('a sentence');
  const bench = { name: 'x', title: 'X', run: async () => undefined };
  expect(run.result(bench, 'it broke')).toMatchObject({ failure: 'it broke', notes: ['a sentence'] });
  expect(run.result(bench)).not.toHaveProperty('failure');
});
