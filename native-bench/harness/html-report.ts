/** The report for people: figures, ratios and curves as charts in one HTML file that loads nothing. */
import { bars, canShow, colorOf, lines } from './charts.js';
import { style } from './html-style.js';
import { machineLines } from './machine.js';
import { html, type Markup } from './markup.js';
import type { Profile } from './profile.js';
import type { BenchResult, ContestResult, Curves, Ratio, Report, Skip, Summary } from './report.js';
import { digitsFor, summaryText } from './statistics.js';
import { goalOf, reserve, type Verdict, verdictOf } from './verdict.js';

export function htmlReport(report: Report): string {
  const { benches, toCome, profile, startedAt, spentMs } = report;
  const failed = benches.filter(({ failure }) => failure !== undefined);
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>leiniao benchmarks, ${startedAt}</title>
<style>${style}</style>
<h1>leiniao benchmarks</h1>
<p class="soft"><time datetime="${startedAt}">${startedAt.replace('T', ' ')}</time> · profile ${profile.name}: ${roundsText(profile)} · took ${seconds(spentMs)}</p>
<dl>${machineLines(report.machine).map(fact)}</dl>
${profile.measures ? '' : html`<p class="box warn">Profile ${profile.name} checks what was computed. Its figures mean nothing.</p>`}
${toCome.length === 0 ? '' : html`<p class="box warn">Not finished: ${toCome.join(', ')} had not run when this was written.</p>`}
${failed.length === 0 ? '' : html`<p class="box bad">Failed: ${failed.map(({ name }, i) => [i === 0 ? '' : ', ', link(name)])}. Their figures are not to be believed.</p>`}
<p>Every figure is a median of rounds, with the least and the most of them. Contenders ran in turns, and a ratio is taken
within each round, so what slowed a whole round down does not show in it.</p>
${targets(report)}
<h3>Benchmarks</h3>
<ul>${benches.map(({ name, title }) => html`<li>${link(name)} ${title}</li>`)}</ul>
${benches.map((bench) => section(bench, profile))}
</html>
`.text;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function link(name: string): Markup {
  return html`<a href="#${name}">${name}</a>`;
}

/** A line of the machine's: a word, then what it is. */
function fact(line: string): Markup {
  const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/s.exec(line) ?? [];
  return html`<dt>${word}</dt><dd>${rest}</dd>`;
}

function targets({ benches, profile }: Report): Markup | '' {
  const rows = benches.flatMap((bench) =>
    bench.contests.flatMap((contest) =>
      contest.ratios
        .filter(({ target }) => target !== undefined)
        .map((ratio) => targetRow(bench, contest, ratio, profile)),
    ),
  );
  if (rows.length === 0) return '';
  return html`<h3>Targets</h3>
<div class="scroll"><table class="targets">
<tr><th>benchmark<th>ratio<th class="number">median<th class="number">min … max<th class="number">target<th>
${rows}</table></div>`;
}

function targetRow(bench: BenchResult, contest: ContestResult, ratio: Ratio, profile: Profile): Markup {
  const format = formatOf(ratio);
  const verdict = verdictOf(profile, bench, ratio);
  return html`<tr><td class="what">${link(bench.name)}<td class="what">${ratio.of} / ${ratio.to}<br><span class="soft">${contest.name}</span>
<td class="number">${format(ratio.median)}<td class="number">${format(ratio.min)} … ${format(ratio.max)}
<td class="number">${goalOf(contest, ratio)}<td>${judged(verdict)}${reserve(bench, verdict)}
`;
}

function judged(verdict: Verdict | undefined): Markup {
  if (verdict === undefined || verdict === '–') return html`${verdict ?? ''}`;
  return html`<span class="${verdict === 'met' ? 'good' : 'bad'}">${verdict}</span>`;
}

/** Of a ratio: two digits after the point at least. */
function formatOf({ median }: Summary): (value: number) => string {
  const digits = Math.max(2, digitsFor(median));
  return (value) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function section(bench: BenchResult, profile: Profile): Markup {
  const { name, title, contests, curves, notes, skips, failure, loadBefore, spentMs } = bench;
  return html`<section id="${name}">
<h2>${title}</h2>
<p class="soft"><code>npm run bench -- ${name}</code> · took ${seconds(spentMs)} · load before ${loadBefore.join(' ')}</p>
${failure === undefined ? '' : html`<div class="box bad"><strong>Failed.</strong><pre>${failure}</pre></div>`}
${skips.map(skipBox)}
${contests.map((contest) => contestPart(bench, contest, profile))}
${curves.map(curvesPart)}
${notes.length === 0 ? '' : html`<ul class="soft">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</section>
`;
}

function skipBox({ name, why, install }: Skip): Markup {
  return html`<div class="box warn"><strong>Skipped: ${name}.</strong> ${why}. To have it:<pre>${install}</pre></div>`;
}

function contestPart(bench: BenchResult, contest: ContestResult, profile: Profile): Markup {
  const { name, unit, better, figures, ratios } = contest;
  return html`<h3>${name}</h3>
<p class="soft">${unit}, median (min … max); ${better} is better</p>
${figures.length === 0 ? html`<p>Nobody could take part.</p>` : bars(contest)}
${ratios.length === 0 ? '' : html`<ul>${ratios.map((ratio) => ratioItem(bench, contest, ratio, profile))}</ul>`}
<details><summary>every round</summary><div class="scroll"><table>
<tr><th>${unit}<th class="number">median<th class="number">min<th class="number">max<th>rounds
${figures.map((figure) => summaryRow(figure.name, figure))}
${ratios.map((ratio) => summaryRow(`${ratio.of} / ${ratio.to}`, ratio))}</table></div></details>
`;
}

function ratioItem(bench: BenchResult, contest: ContestResult, ratio: Ratio, profile: Profile): Markup {
  const verdict = verdictOf(profile, bench, ratio);
  const text = summaryText(ratio, Math.max(2, digitsFor(ratio.median)));
  const aim =
    verdict === undefined
      ? ''
      : html`, target ${goalOf(contest, ratio)}: ${judged(verdict)}${reserve(bench, verdict)}`;
  return html`<li>${ratio.of} / ${ratio.to}: <strong>${text}</strong>${aim}</li>`;
}

function summaryRow(name: string, { median, min, max, rounds }: Summary): Markup {
  return html`<tr><td>${name}${[median, min, max].map((value) => html`<td class="number">${exact(value)}`)}<td>${rounds.map(exact).join(' · ')}
`;
}

/** Six digits that count. */
function exact(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 6 });
}

function curvesPart(curves: Curves): Markup {
  const all = curves.lines.flatMap(({ points }) => points);
  const hidden = all.filter(([x, y]) => !(canShow(curves.x.scale, x) && canShow(curves.y.scale, y))).length;
  return html`<h3>${curves.name}</h3>
<ul class="legend">${curves.lines.map(
    ({ name, projection = false }, i) =>
      html`<li><span class="${projection ? 'dashed' : ''}" style="color: ${colorOf(i)}"></span>${name}${projection ? ' (projection, not measured)' : ''}</li>`,
  )}</ul>
${lines(curves)}
${hidden === 0 ? '' : html`<p class="soft">${hidden} of ${all.length} points cannot be shown on a logarithmic axis; the table has them.</p>`}
<details><summary>every point</summary><div class="scroll"><table>
<tr><th>line<th class="number">${curves.x.label}<th class="number">${curves.y.label}
${curves.lines.map(({ name, projection, points }) =>
  points.map(
    ([x, y]) =>
      html`<tr><td>${name}${projection ? ' (projection)' : ''}<td class="number">${exact(x)}<td class="number">${exact(y)}
`,
  ),
)}</table></div></details>
`;
}

function roundsText({ rounds, manyRounds }: Profile): string {
  return rounds === manyRounds
    ? `${rounds} round${rounds === 1 ? '' : 's'}`
    : `${rounds} to ${manyRounds} rounds`;
}
