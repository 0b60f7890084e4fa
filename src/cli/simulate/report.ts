/** What a finished simulation prints: a table for people, or one JSON object for programs. */
import Table from 'cli-table3';
import { codes } from '../../errors.js';
import type { SimulateOptions } from './options.js';
import type { Tally } from './tally.js';
import type { Verdict } from './verdict.js';

export interface Outcome {
  readonly options: SimulateOptions;
  readonly saleId: string;
  readonly url: string;
  readonly tally: Tally;
  /** How long the storm took, without the last call. */
  readonly stormMs: number;
  /** Order requests answered in the storm. */
  readonly stormAnswers: number;
  readonly verdict: Verdict;
  /** Readings of the sale taken during the storm. */
  readonly glimpses: number;
  readonly warnings: readonly string[];
}

const percentiles = [50, 99, 99.9] as const;
/** SKU lines shown to people; JSON has them all. */
const skuLinesMax = 12;

const perSecond = (outcome: Outcome): number =>
  Math.round((outcome.stormAnswers * 1_000) / Math.max(1, outcome.stormMs));

function latencyMs(tally: Tally): Record<string, number> {
  const toMs = (us: number): number => Math.round(us) / 1_000;
  if (tally.latencyUs.count === 0) return {};
  const entries = percentiles.map((percentile): [string, number] => [
    `p${percentile}`,
    toMs(tally.latencyUs.percentile(percentile)),
  ]);
  return Object.fromEntries([...entries, ['max', toMs(tally.latencyUs.max)]]);
}

export function jsonReport(outcome: Outcome): string {
  const { options, tally, verdict } = outcome;
  const report = {
    verdict: verdict.verdict,
    findings: verdict.findings,
    notes: [...verdict.notes, ...outcome.warnings],
    seed: options.workload.seed,
    workload: options.workload,
    url: outcome.url,
    sale: outcome.saleId,
    accepted: tally.accepted,
    replayed: tally.replayed,
    refused: Object.fromEntries(tally.refused),
    confirmed: tally.confirmed,
    cancelled: tally.cancelled,
    turnedAway: Object.fromEntries(tally.turnedAway),
    networkErrors: tally.networkErrors,
    networkErrorExample: tally.networkErrorExample,
    unanswered: tally.unanswered,
    stormSeconds: Math.round(outcome.stormMs) / 1_000,
    answersPerSecond: perSecond(outcome),
    latencyMs: latencyMs(tally),
    glimpses: outcome.glimpses,
    skus: verdict.skus,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

const number = (value: number): string => value.toLocaleString('en');
const plain = { style: { head: [], border: [], compact: true } };

function countsTable(outcome: Outcome): string {
  const { tally } = outcome;
  const table = new Table({ ...plain, colAligns: ['left', 'right'] });
  const titleOf = (code: string): string =>
    Object.hasOwn(codes, code) ? codes[code as keyof typeof codes].title : code;
  table.push(['Orders accepted', number(tally.accepted)], ['Replays', number(tally.replayed)]);
  for (const [code, amount] of tally.refused) {
    table.push([`Refused: ${titleOf(code)} (${code})`, number(amount)]);
  }
  table.push(['Confirmed', number(tally.confirmed)], ['Cancelled', number(tally.cancelled)]);
  for (const [code, amount] of tally.turnedAway) {
    table.push([`Turned away and tried again (${code})`, number(amount)]);
  }
  table.push(
    ['Network errors', number(tally.networkErrors)],
    ['Left without an answer', number(tally.unanswered)],
    ['Order answers per second', number(perSecond(outcome))],
  );
  for (const [name, ms] of Object.entries(latencyMs(tally))) {
    table.push([`Latency ${name}`, `${ms.toFixed(2)} ms`]);
  }
  return table.toString();
}

function skusTable(outcome: Outcome): string {
  const head = ['SKU', 'Stock', 'Asked for', 'Acknowledged', 'Given back', 'Available', 'Held', 'Confirmed'];
  const table = new Table({
    ...plain,
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
  });
  const { skus } = outcome.verdict;
  for (const line of skus.slice(0, skuLinesMax)) {
    const { counters } = line;
    const server = counters && [counters.available, counters.held, counters.confirmed];
    const told = [line.stock, line.demandUnits, line.acknowledgedUnits, line.cancelledUnits];
    table.push([line.sku, ...told.map(number), ...(server?.map(number) ?? ['-', '-', '-'])]);
  }
  const more = skus.length - skuLinesMax;
  return more > 0 ? `${table.toString()}\n… and ${number(more)} more SKUs` : table.toString();
}

export function textReport(outcome: Outcome): string {
  const { verdict, options, tally } = outcome;
  const lines = [countsTable(outcome), skusTable(outcome)];
  if (tally.networkErrorExample !== undefined) {
    lines.push(`first network error: ${tally.networkErrorExample}`);
  }
  for (const finding of verdict.findings) lines.push(`${finding.kind}: ${finding.sku}: ${finding.text}`);
  for (const note of [...verdict.notes, ...outcome.warnings]) lines.push(`note: ${note}`);
  lines.push(`seed ${options.workload.seed}; the sale was read ${number(outcome.glimpses)} times meanwhile`);
  lines.push(`verdict: ${verdict.verdict}`);
  return `${lines.join('\n')}\n`;
}
