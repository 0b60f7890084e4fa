/** The benchmarks' report on a terminal: it has what was found, and judges as the page does. */
import { expect, test } from 'vitest';
import { profiles } from '../../native-bench/harness/profile.js';
import type { BenchResult } from '../../native-bench/harness/report.js';
import { textReport } from '../../native-bench/harness/text-report.js';
import { bench, reportOf } from '../support/bench-report.js';

/** What a reader sees: white space is white space. */
const seen = (benches: readonly BenchResult[], profile = profiles.quick): string =>
  textReport(reportOf(benches, profile)).replace(/\s+/g, ' ');

test('figures and ratios are there, and what they were measured on', () => {
  const text = seen([bench]);
  for (const found of [
    ...['2 × a fast one', 'ext4 at /tmp', 'wrk 4.1.0, postgres –'],
    ...['whole 1 (the others are second hyperthreads), sockets 1, NUMA nodes unknown, quota 1.5'],
    ...['load 0.5 0.25 0.125; in the last second 1.02 of 2 cores were busy: stranger 96 %'],
    ...[
      'Orders over HTTP (orders, 12.3 s, load before 1.5 1.25 1.125)',
      'accepted orders',
      '73,111 (60,222 … 128,333)',
    ],
    ...['note: bounded by the disk', 'skipped: Redis: it is not in PATH; to have it: apt-get install redis'],
  ]) {
    expect(text).toContain(found);
  }
});

test('targets are named with their direction and whether they were met, and counted', () => {
  const text = seen([bench]);
  expect(text).toContain('leiniao / bare: 0.811 (0.722 … 0.933), target ≥ 0.85: MISSED');
  expect(text).toContain('bare / leiniao: 1.23 (1.12 … 1.34), target ≥ 1.1: met');
  expect(text).toContain('targets: 1 of 2 met');
});

test('what was judged while others were busy says so, and is named where the targets are counted', () => {
  const text = seen([bench, { ...bench, name: 'disturbed', busy: true }]);
  expect(text.match(/: MISSED, while others had cores/g)).toHaveLength(1);
  expect(text).toContain('targets: 2 of 4 met; others had cores during disturbed');
});

test('what should be small has its target the other way round', () => {
  const latency = { ...bench.contests[0]!, better: 'lower' as const };
  expect(seen([{ ...bench, contests: [latency] }])).toContain('target ≤ 0.85');
});

test('the profile that only checks judges no target and says that its figures mean nothing', () => {
  const text = seen([bench], profiles.smoke);
  expect(text).toContain('target ≥ 0.85: –');
  expect(text).toContain('figures mean nothing');
  expect(text).not.toMatch(/\bmissed\b|\bmet\b|targets:/i);
});

test('a benchmark that failed is named at the end, with its reason in its place, and meets no target', () => {
  const text = seen([bench, { ...bench, name: 'broken', failure: 'Error: 99 of 100 orders' }]);
  expect(text).toContain('FAILED: Error: 99 of 100 orders');
  expect(text).toMatch(/FAILED: broken $/);
  expect(text.match(/target ≥ [\d.]+: FAILED/g)).toHaveLength(2);
  expect(text).toContain('targets: 1 of 4 met');
});

test('a ratio without a target is not judged', () => {
  const [contest] = bench.contests;
  const ratios = contest!.ratios.map(({ target: _, met: __, ...ratio }) => ratio);
  const text = seen([{ ...bench, contests: [{ ...contest!, ratios }] }]);
  expect(text).toContain('leiniao / bare: 0.811 (0.722 … 0.933) bare');
  expect(text).not.toContain('target');
});
