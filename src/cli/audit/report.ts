/** What a finished audit prints: tables for people, the verdict in the last line; or one JSON object for programs. */
import Table from 'cli-table3';
import type { AuditReport, ShardReport } from '../../audit/audit.js';
import { findingLine } from '../../audit/wrong.js';
import type { ReceiptReport } from './receipt.js';

/** SKU lines shown to people, the largest first; JSON has them all. */
const skuLinesMax = 12;
/** Notes, and findings, shown to people; JSON has them all. */
const linesMax = 20;

const plain = { style: { head: [], border: [], compact: true } };
const number = (value: number): string => value.toLocaleString('en');
const timeOf = (ms: number | null): string => (ms === null ? '-' : new Date(ms).toISOString());

export function jsonReport(report: AuditReport, receipt?: ReceiptReport): string {
  const more = { firstWrong: report.findings[0] ?? null, ...(receipt === undefined ? {} : { receipt }) };
  return `${JSON.stringify({ ...report, ...more }, undefined, 2)}\n`;
}

function table(head: readonly string[], left: number, rows: readonly (readonly string[])[]): string {
  const colAligns = head.map((_, i) => (i < left ? ('left' as const) : ('right' as const)));
  const made = new Table({ ...plain, head: [...head], colAligns });
  for (const row of rows) made.push([...row]);
  return made.toString();
}

function shardsTable(shards: readonly ShardReport[]): string {
  const head = ['Shard', 'Newest commit', 'Commits', 'Entries', 'Held', 'Confirmed', 'Cancelled', 'Expired'];
  const rows = shards.map(({ shard, commits, entries, lastCommitMs, orders }) => [
    ...[String(shard), timeOf(lastCommitMs)],
    ...[commits, entries, orders.held, orders.confirmed, orders.cancelled, orders.expired].map(number),
  ]);
  return table(head, 2, rows);
}

function skusTable({ skus }: AuditReport): string {
  const head = ['Sale', 'SKU', 'Units', 'Available', 'Held', 'Confirmed', 'Orders'];
  const largest = [...skus].sort((a, b) => b.total - a.total).slice(0, skuLinesMax);
  const rows = largest.map(({ sale, sku, total, available, held, confirmed, orders }) => [
    ...[sale, sku],
    ...[total, available, held, confirmed, orders].map(number),
  ]);
  const more = skus.length - rows.length;
  const shown = table(head, 2, rows);
  return more > 0 ? `${shown}\n… and ${number(more)} smaller SKUs` : shown;
}

function verdictOf({ findings, shards }: AuditReport, receipt?: ReceiptReport): string {
  const [first] = findings;
  if (first !== undefined) return `wrong: ${findingLine(first)}`;
  if (receipt?.contained === false) return 'wrong: the folder is sound, and the receipt is not one of it';
  const entries = shards.reduce((sum, shard) => sum + shard.entries, 0);
  return `sound: each of ${number(entries)} entries follows from those before it`;
}

function listed(what: string, sentences: readonly string[]): string[] {
  const shown = sentences.slice(0, linesMax).map((sentence) => `${what}: ${sentence}`);
  const more = sentences.length - linesMax;
  return more > 0 ? [...shown, `${what}: … and ${number(more)} more`] : shown;
}

export function textReport(report: AuditReport, receipt?: ReceiptReport): string {
  const { shards, skus, notes, findings } = report;
  const lines = [`Orders by shard, in ${report.dataDir} (store ${report.storeId})`, shardsTable(shards)];
  if (skus.length > 0) lines.push('Units by SKU', skusTable(report));
  lines.push(...listed('note', notes), ...listed('wrong', findings.map(findingLine)));
  if (receipt !== undefined) lines.push(`receipt: ${receipt.text}`);
  lines.push(`read in ${(report.spentMs / 1_000).toFixed(1)} s`, `verdict: ${verdictOf(report, receipt)}`);
  return `${lines.join('\n')}\n`;
}
