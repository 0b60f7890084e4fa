/** Medians of rounds, and of ratios taken within rounds: noise that hits a whole round cancels out in its ratio. Pure. */
import type { Summary } from './report.js';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that a share of all lies at or below: `percentile(values, 0.99)`. Of nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function summaryOf(rounds: readonly number[]): Summary {
  return { rounds, median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds) };
}

/** `median (min … max)`, with as many digits after the point. */
export function summaryText({ median: middle, min, max }: Summary, digits = digitsFor(middle)): string {
  const format = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${format(middle)} (${format(min)} … ${format(max)})`;
}

/** Three digits that count, for what is small. */
export function digitsFor(value: number): number {
  if (value === 0 || Math.abs(value) >= 100) return 0;
  return Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
}

/** Round by round: `values[i] / base[i]`. */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  return values.map((value, i) => value / base[i]!);
}
