/** One way in which buyers and server contradict each other or the offer, as a sentence for people. */

export type FindingKind = 'oversold' | 'undersold' | 'contradiction';

export interface Finding {
  readonly kind: FindingKind;
  readonly sku: string;
  readonly text: string;
}

/** `3 orders`, `1 order`. */
export function count(amount: number, noun: string): string {
  return `${amount.toLocaleString('en')} ${noun}${amount === 1 ? '' : 's'}`;
}
