/** The report on a terminal: a table a contest, and what was skipped or failed. */
import Table from 'cli-table3';
import { machineLines } from './machine.js';
import type { Profile } from './profile.js';
import type { BenchResult, ContestResult, Ratio, Report } from './report.js';
import { digitsFor, summaryText } from './statistics.js';
import { goalOf, reserve, type Verdict, verdictOf } from './verdict.js';

const plain = { style: { head: [], border: [], compact: true } };

function contestTable(bench: BenchResult, contest: ContestResult, profile: Profile): string {
  const { name, unit, figures, ratios } = contest;
  const table = new Table({
    ...plain,
    head: [name, `${unit}, median (min … max)`],
    colAligns: ['left', 'right'],
  });
  for (const figure of figures) table.push([figure.name, summaryText(figure)]);
  const lines = ratios.map((ratio) => {
    const verdict = verdictOf(profile, bench, ratio);
    return `  ${ratioText(contest, ratio, verdict)}${reserve(bench, verdict)}`;
  });
  return [table.toString(), ...lines].join('\n');
}

/** Such as `leiniao / bare: 0.858 (0.815 … 0.953), target ≥ 0.85: met`. */
function ratioText(contest: ContestResult, ratio: Ratio, verdict: Verdict | undefined): string {
  const digits = Math.max(2, digitsFor(ratio.median));
  const goal = verdict === undefined ? '' : `, target ${goalOf(contest, ratio)}: ${loudly(verdict)}`;
  return `${ratio.of} / ${ratio.to}: ${summaryText(ratio, digits)}${goal}`;
}

/** A terminal has no colours for what is bad. */
function loudly(verdict: Verdict): string {
  return verdict === 'met' ? verdict : verdict.toUpperCase();
}

function benchText(bench: BenchResult, profile: Profile): string {
  const seconds = (bench.spentMs / 1_000).toFixed(1);
  const lines = [
    `\n== ${bench.title} (${bench.name}, ${seconds} s, load before ${bench.loadBefore.join(' ')})`,
  ];
  for (const contest of bench.contests) lines.push(contestTable(bench, contest, profile));
  for (const note of bench.notes) lines.push(`  note: ${note}`);
  for (const { name, why, install } of bench.skips)
    lines.push(`  skipped: ${name}: ${why}; to have it: ${install}`);
  if (bench.failure !== undefined) lines.push(`  FAILED: ${bench.failure}`);
  return lines.join('\n');
}

export function textReport({ benches, machine, profile }: Report): string {
  const lines = [...machineLines(machine), ...benches.map((bench) => benchText(bench, profile)), ''];
  const failed = benches.filter(({ failure }) => failure !== undefined);
  const verdicts = benches.flatMap((bench) =>
    bench.contests.flatMap(({ ratios }) => ratios.map((ratio) => verdictOf(profile, bench, ratio))),
  );
  const goals = verdicts.filter((verdict) => verdict !== undefined);
  if (!profile.measures) {
    lines.push(`profile ${profile.name}: its figures mean nothing, only what was computed was checked`);
  } else if (goals.length > 0) {
    const busy = benches.filter((bench) => bench.busy).map(({ name }) => name);
    const where = busy.length === 0 ? '' : `; others had cores during ${busy.join(', ')}`;
    lines.push(
      `targets: ${goals.filter((verdict) => verdict === 'met').length} of ${goals.length} met${where}`,
    );
  }
  if (failed.length > 0) lines.push(`FAILED: ${failed.map(({ name }) => name).join(', ')}`);
  return `${lines.join('\n')}\n`;
}
