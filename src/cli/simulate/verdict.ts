/**
 * The verdict on a storm, worked out from two independent accounts: what the buyers were told, and what the
 * server says of the sale afterwards. Pure: the same evidence gives the same verdict.
 *
 * Oversold: more units acknowledged, or counted sold, than offered. Undersold: somebody was refused although
 * units were left that would have served him, or units are counted sold that nobody got. Contradiction: the
 * numbers may be right, but an answer breaks the contract. Exact: none of these can be shown.
 */
import { keepBooks } from './books.js';
import { checkCounts, checkGlimpses } from './check-counts.js';
import { checkOrders } from './check-orders.js';
import { checkRefusals } from './check-refusals.js';
import type { Evidence, SkuCounters } from './evidence.js';
import { count, type Finding, type FindingKind } from './finding.js';

export interface SkuVerdict {
  readonly sku: string;
  readonly stock: number;
  readonly demandUnits: number;
  readonly orders: number;
  readonly acknowledgedUnits: number;
  readonly cancelledUnits: number;
  readonly counters: SkuCounters | undefined;
}

export interface Verdict {
  readonly verdict: 'exact' | FindingKind;
  /** Each a discrepancy; empty exactly if the verdict is `exact`. */
  readonly findings: readonly Finding[];
  /** What could not be known, and did not contradict anything. */
  readonly notes: readonly string[];
  readonly skus: readonly SkuVerdict[];
}

const gravestFirst: readonly FindingKind[] = ['oversold', 'undersold', 'contradiction'];

export function judge(evidence: Evidence): Verdict {
  const countersBySku = new Map(evidence.counters.map((counters) => [counters.sku, counters]));
  const findings: Finding[] = [...checkGlimpses(evidence.brokenGlimpses)];
  const skus: SkuVerdict[] = [];
  let unknownOrders = 0;
  let expirableUnits = 0;
  for (const books of keepBooks(evidence)) {
    const { sku, stock } = books.offered;
    const counters = countersBySku.get(sku);
    findings.push(...checkCounts(books, counters), ...checkRefusals(books, counters), ...checkOrders(books));
    unknownOrders += books.unknown.length;
    expirableUnits += books.mayHaveExpiredUnits;
    const { demandUnits, acknowledgedUnits, cancelledUnits, orders } = books;
    skus.push({
      sku,
      stock,
      demandUnits,
      orders: orders.length,
      acknowledgedUnits,
      cancelledUnits,
      counters,
    });
  }

  const notes: string[] = [];
  if (unknownOrders > 0) {
    notes.push(
      `${count(unknownOrders, 'order')} never answered conclusively: the counts are judged as a range`,
    );
  }
  if (expirableUnits > 0) {
    notes.push(`${count(expirableUnits, 'held unit')} may have expired: the counts are judged as a range`);
  }
  const gravest = gravestFirst.find((kind) => findings.some((finding) => finding.kind === kind));
  findings.sort((a, b) => gravestFirst.indexOf(a.kind) - gravestFirst.indexOf(b.kind));
  return { verdict: gravest ?? 'exact', findings, notes, skus };
}
