/** Medians of rounds, and of ratios taken within rounds: noise that hits a whole round cancels out in its ratio. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** `median (min … max)`, in the given unit. */
export function summary(values: readonly number[], digits = 0): string {
  const format = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${format(median(values))} (${format(Math.min(...values))} … ${format(Math.max(...values))})`;
}

/** Round by round: `values[i] / base[i]`. */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  return values.map((value, i) => value / base[i]!);
}
