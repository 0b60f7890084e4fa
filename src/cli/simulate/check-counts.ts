/** Compares the server's counters of one SKU with the offer and with what the buyers were told. Pure. */
import type { Books } from './books.js';
import type { SkuCounters } from './evidence.js';
import { count, type Finding, type FindingKind } from './finding.js';

const lineOf = (counters: SkuCounters): string =>
  `available ${counters.available} + held ${counters.held} + confirmed ${counters.confirmed}, total ${counters.total}`;

/** True if the line keeps `available + held + confirmed = total`, none of them negative. */
export function addsUp(counters: SkuCounters): boolean {
  const { available, held, confirmed, total } = counters;
  return available >= 0 && held >= 0 && confirmed >= 0 && available + held + confirmed === total;
}

export function checkGlimpses(broken: readonly SkuCounters[]): Finding[] {
  const [first] = broken;
  if (first === undefined) return [];
  const text = `${count(broken.length, 'reading')} taken during the storm did not add up, e.g. ${lineOf(first)}`;
  return [{ kind: first.available < 0 ? 'oversold' : 'contradiction', sku: first.sku, text }];
}

export function checkCounts(books: Books, counters: SkuCounters | undefined): Finding[] {
  const { sku, stock } = books.offered;
  const findings: Finding[] = [];
  const find = (kind: FindingKind, text: string): void => {
    findings.push({ kind, sku, text });
  };

  // Units that must be sold by the buyers' account; the doubtful ones may have come back.
  const soldAtLeast =
    books.acknowledgedUnits - books.cancelledUnits - books.cancelUnknownUnits - books.mayHaveExpiredUnits;
  const soldAtMost = books.acknowledgedUnits - books.cancelledUnits + books.unknownUnits;
  if (soldAtLeast > stock) {
    find('oversold', `buyers hold acknowledgements for ${count(soldAtLeast, 'unit')} of ${stock}`);
  }
  if (counters === undefined) {
    find('contradiction', 'the sale does not list this SKU');
    return findings;
  }

  if (counters.total !== stock) {
    find('contradiction', `the server says total ${counters.total}, but ${stock} were offered`);
  }
  if (!addsUp(counters)) {
    find(
      counters.available < 0 ? 'oversold' : 'contradiction',
      `the counters do not add up: ${lineOf(counters)}`,
    );
  }
  const sold = counters.held + counters.confirmed;
  if (sold > stock) find('oversold', `the server counts ${sold} sold of ${stock}`);
  if (sold < soldAtLeast) {
    find(
      'contradiction',
      `the server counts ${sold} sold, but buyers hold acknowledgements for ${soldAtLeast}: acknowledged orders were lost`,
    );
  }
  if (sold > soldAtMost) {
    const refused = books.unserved.length;
    const text = `the server counts ${sold} sold, but buyers were told of at most ${soldAtMost}`;
    if (refused === 0) find('contradiction', text);
    else find('undersold', `${text}, while ${count(refused, 'buyer')} went without`);
  }
  const { confirmed } = counters;
  if (confirmed < books.confirmedUnits) {
    find(
      'contradiction',
      `the server counts ${confirmed} confirmed, but buyers confirmed ${books.confirmedUnits}`,
    );
  }
  // An order nobody was told of may have been sold outright.
  const confirmedAtMost = books.confirmedUnits + books.confirmUnknownUnits + books.unknownUnits;
  if (confirmed > confirmedAtMost) {
    find(
      'contradiction',
      `the server counts ${confirmed} confirmed, but buyers confirmed at most ${confirmedAtMost}`,
    );
  }
  return findings;
}
