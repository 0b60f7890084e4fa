/** A report of the benchmarks as a run could have written it: one target missed, one met. */
import type { Machine } from '../../native-bench/harness/machine.js';
import { profiles } from '../../native-bench/harness/profile.js';
import type { BenchResult, ContestResult, Report } from '../../native-bench/harness/report.js';
import { summaryOf } from '../../native-bench/harness/statistics.js';

export const machine: Machine = {
  ...{ cpu: 'a fast one', cores: 2, wholeCores: 1, sockets: 1, numaNodes: null, quotaCores: 1.5 },
  ...{ governor: 'performance', memoryGiB: 23.5, disk: 'ext4 at /tmp' },
  ...{ kernel: '6.1', system: 'Debian', node: 'v20.20.2', versions: { wrk: '4.1.0', postgres: null } },
  ...{ loadBefore: [0.5, 0.25, 0.125], busyBefore: { cores: 1.02, processes: ['stranger 96 %'] } },
};

export const contest: ContestResult = {
  ...{ name: 'accepted orders', unit: 'orders/s', better: 'higher' },
  figures: [
    { name: 'leiniao', ...summaryOf([73_111, 60_222, 128_333]) },
    { name: 'bare', ...summaryOf([81_444, 79_555, 90_666]) },
  ],
  ratios: [
    { of: 'leiniao', to: 'bare', ...summaryOf([0.811, 0.722, 0.933]), target: 0.85, met: false },
    { of: 'bare', to: 'leiniao', ...summaryOf([1.233, 1.122, 1.344]), target: 1.1, met: true },
  ],
};

export const bench: BenchResult = {
  ...{ name: 'orders', title: 'Orders over HTTP', contests: [contest] },
  curves: [
    {
      ...{ name: 'scaling', x: { label: 'shards', scale: 'log' }, y: { label: 'orders/s', scale: 'log' } },
      lines: [
        { name: 'as measured', points: [[1, 3_123_456] as const, [2, 6_234_567] as const] },
        { name: 'as fitted', projection: true, points: [[64, 98_765_432] as const] },
      ],
    },
  ],
  notes: ['bounded by the disk'],
  skips: [{ name: 'Redis', why: 'it is not in PATH', install: 'apt-get install redis-server' }],
  ...{ busy: false, loadBefore: [1.5, 1.25, 1.125], spentMs: 12_345 },
};

export const reportOf = (benches: readonly BenchResult[], profile = profiles.quick): Report => ({
  ...{ startedAt: '2026-11-11T00:00:00.000Z', spentMs: 98_765, profile, machine, benches, toCome: [] },
});
