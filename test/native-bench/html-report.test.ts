/** The benchmarks' report for people: it has everything that was found, and shows what it is given as text. */
import { expect, test } from 'vitest';
import { htmlReport } from '../../native-bench/harness/html-report.js';
import { escapeText, html } from '../../native-bench/harness/markup.js';
import { profiles } from '../../native-bench/harness/profile.js';
import type { BenchResult } from '../../native-bench/harness/report.js';
import { summaryOf } from '../../native-bench/harness/statistics.js';
import { bench, contest, machine, reportOf } from '../support/bench-report.js';

/** What a reader sees of a page: entities resolved, tags taken out. */
const seen = (page: string): string =>
  page
    .replace(/<style>.*?<\/style>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(#39|quot|lt|gt|amp);/g, (_, name: string) => {
      return ({ '#39': "'", quot: '"', lt: '<', gt: '>', amp: '&' } as Record<string, string>)[name]!;
    })
    .replace(/\s+/g, ' ');

test('every figure, every round, every ratio and every point is there, and what they were measured on', () => {
  const text = seen(htmlReport(reportOf([bench])));
  for (const { rounds } of [...contest.figures, ...contest.ratios]) {
    for (const value of rounds) expect(text).toContain(value.toLocaleString('en'));
  }
  for (const { points } of bench.curves[0]!.lines) {
    for (const [, value] of points)
      expect(text).toContain(value.toLocaleString('en', { maximumSignificantDigits: 6 }));
  }
  expect(text).toContain('73,111 (60,222 … 128,333)');
  for (const fact of [
    '2026-11-11',
    'quick',
    '2 × a fast one',
    'performance',
    '23.5 GiB',
    'ext4',
    'stranger 96 %',
  ]) {
    expect(text).toContain(fact);
  }
  for (const found of [
    'bounded by the disk',
    'it is not in PATH',
    'apt-get install redis-server',
    '12.3 s · load before 1.5 1.25 1.125',
  ]) {
    expect(text).toContain(found);
  }
});

test('targets are named with their direction and whether they were met', () => {
  const text = seen(htmlReport(reportOf([bench])));
  expect(text).toMatch(/orders leiniao \/ bare accepted orders 0\.811 0\.722 … 0\.933 ≥ 0\.85 missed/);
  expect(text).toMatch(/orders bare \/ leiniao accepted orders 1\.23 1\.12 … 1\.34 ≥ 1\.1 met/);
});

test('the profile that only checks judges no target and says that its figures mean nothing', () => {
  const text = seen(htmlReport(reportOf([bench], profiles.smoke)));
  expect(text).toContain('figures mean nothing');
  expect(text).not.toMatch(/\bmissed\b|\bmet\b/);
});

test('a benchmark that failed is named at the top, with its reason in its place, and meets no target', () => {
  const page = htmlReport(reportOf([{ ...bench, failure: 'Error: 99 of 100 orders' }]));
  const text = seen(page);
  expect(text).toContain('Failed: orders');
  expect(text).toContain('Error: 99 of 100 orders');
  expect(text).not.toMatch(/\bmissed\b|\bmet\b/);
});

test('a report that was written before the end names what had not run', () => {
  const notFinished = 'had not run when this was written';
  expect(seen(htmlReport(reportOf([bench])))).not.toContain(notFinished);
  const text = seen(htmlReport({ ...reportOf([bench]), toCome: ['recovery', 'audit'] }));
  expect(text).toContain(`recovery, audit ${notFinished}`);
});

test('a projection is dashed and says that it is one; what was measured is neither', () => {
  const page = htmlReport(reportOf([bench]));
  expect(page).toMatch(/class="dashed"[^>]*><\/span>as fitted \(projection, not measured\)/);
  expect(page).toMatch(/class=""[^>]*><\/span>as measured</);
  expect(page.match(/stroke-dasharray/g)).toHaveLength(1);
});

test('points that a logarithmic axis cannot show are told, not lost', () => {
  const lines = [{ name: 'from nothing', points: [[0, 5] as const, [1, 6] as const] }];
  const page = htmlReport(reportOf([{ ...bench, curves: [{ ...bench.curves[0]!, lines }] }]));
  expect(seen(page)).toContain('1 of 2 points cannot be shown');
  expect(page).not.toContain('NaN');
});

test('a target that was judged while others were busy says so', () => {
  const page = seen(htmlReport(reportOf([{ ...bench, busy: true }])));
  // In the table of all targets, and beside its contest.
  expect(page.match(/missed ?, while others had cores/g)).toHaveLength(2);
  expect(seen(htmlReport(reportOf([bench])))).not.toContain('others had cores');
});

test('what is given is shown as text, in the page and in its drawings, and cannot become markup', () => {
  const evil = `</svg><script>alert("x")</script>'"&`;
  const everywhere: BenchResult = {
    ...{ name: evil, title: evil, notes: [evil], failure: evil, busy: true, loadBefore: [], spentMs: 1 },
    contests: [
      {
        ...{ name: evil, unit: evil, better: 'lower' },
        figures: [{ name: evil, ...summaryOf([1]) }],
        ratios: [{ of: evil, to: evil, ...summaryOf([1]), target: 1, met: true }],
      },
    ],
    curves: [
      {
        ...{ name: evil, x: { label: evil, scale: 'linear' }, y: { label: evil, scale: 'linear' } },
        lines: [{ name: evil, points: [[1, 1]] }],
      },
    ],
    skips: [{ name: evil, why: evil, install: evil }],
  };
  const report = reportOf([everywhere]);
  const page = htmlReport({ ...report, startedAt: evil, machine: { ...machine, cpu: evil } });
  expect(page).not.toContain('<script');
  expect(page.match(/<svg/g)).toHaveLength(page.match(/<\/svg>/g)!.length);
  expect(page.match(/&lt;script&gt;/g)!.length).toBeGreaterThan(20);
  expect(page).not.toContain('&amp;lt;');
});

test('the page loads nothing', () => {
  const page = htmlReport(reportOf([bench]));
  expect(page).not.toMatch(/<(script|link|img|iframe|object)|@import|url\((?!#)|\b(src|href)="(?!#)/);
});

test('markup escapes all that is put into it, once', () => {
  expect(escapeText(`<a href='x'>"&"</a>`)).toBe('&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;');
  const inner = html`<b>${'<'}</b>`;
  expect(html`<p title="${'"'}">${[inner, '&', 5]}</p>`.text).toBe('<p title="&quot;"><b>&lt;</b>&amp;5</p>');
});
