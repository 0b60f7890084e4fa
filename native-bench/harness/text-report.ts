/** The report on a terminal: a table a contest, and what was skipped or failed. */
import Table from 'cli-table3';
import { machineLines } from './machine.js';
import type { BenchResult, ContestResult, Ratio, Report } from './report.js';
import { digitsFor, summaryText } from './statistics.js';

const plain = { style: { head: [], border: [], compact: true } };

function contestTable({ name, unit, figures, ratios }: ContestResult): string {
  const table = new Table({
    ...plain,
    head: [name, `${unit}, median (min … max)`],
    colAligns: ['left', 'right'],
  });
  for (const figure of figures) table.push([figure.name, summaryText(figure)]);
  return [table.toString(), ...ratios.map((ratio) => `  ${ratioText(ratio)}`)].join('\n');
}

/** Such as `leiniao / bare: 0.858 (0.815 … 0.953), target 0.85: met`. */
function ratioText(ratio: Ratio): string {
  const { of, to, target, met } = ratio;
  const digits = Math.max(2, digitsFor(ratio.median));
  const goal = target === undefined ? '' : `, target ${target}: ${met ? 'met' : 'MISSED'}`;
  return `${of} / ${to}: ${summaryText(ratio, digits)}${goal}`;
}

function benchText(bench: BenchResult): string {
  const lines = [`\n== ${bench.title} (${bench.name}, ${(bench.spentMs / 1_000).toFixed(1)} s)`];
  for (const contest of bench.contests) lines.push(contestTable(contest));
  for (const note of bench.notes) lines.push(`  note: ${note}`);
  for (const { name, why, install } of bench.skips)
    lines.push(`  skipped: ${name}: ${why}; to have it: ${install}`);
  if (bench.failure !== undefined) lines.push(`  FAILED: ${bench.failure}`);
  return lines.join('\n');
}

export function textReport(report: Report): string {
  const { benches, machine, profile } = report;
  const lines = [...machineLines(machine), ...benches.map(benchText), ''];
  const failed = benches.filter(({ failure }) => failure !== undefined);
  const ratios = benches.flatMap(({ contests }) => contests.flatMap((contest) => contest.ratios));
  const goals = ratios.filter(({ target }) => target !== undefined);
  const met = goals.filter((ratio) => ratio.met).length;
  if (!profile.measures) {
    lines.push('profile smoke: what was computed is right; its figures mean nothing');
  } else if (goals.length > 0) {
    lines.push(`targets: ${met} of ${goals.length} met`);
  }
  if (failed.length > 0) lines.push(`FAILED: ${failed.map(({ name }) => name).join(', ')}`);
  return `${lines.join('\n')}\n`;
}
