/** Units that may be taken over time, from what is known afterwards. Both ends of every span are known with doubt only. */
import { type Click, freedAt, type Known, nameOf, type Restock } from './told-facts.js';

interface Change {
  readonly at: number;
  readonly units: number;
}

/** Sums of changes up to a time; ready once all are known. */
class Changes {
  readonly #changes: Change[] = [];
  #sums: number[] | undefined;

  add(at: number, units: number): void {
    this.#changes.push({ at, units });
    this.#sums = undefined;
  }

  /** Sum of the changes at or before `time`. */
  until(time: number): number {
    if (this.#sums === undefined) {
      this.#changes.sort((a, b) => a.at - b.at);
      let sum = 0;
      this.#sums = this.#changes.map(({ units }) => (sum += units));
    }
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#changes[middle]!.at <= time) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#sums[low - 1]!;
  }
}

export class UnitsInTime {
  readonly #taken = new Changes();
  readonly #back = new Changes();

  /** Units that may have been taken from `at` on. */
  mayBeTaken(at: number, units: number): void {
    this.#taken.add(at, units);
  }

  /** Units that were back for certain at `at`. */
  surelyBack(at: number, units: number): void {
    if (at !== Number.POSITIVE_INFINITY) this.#back.add(at, units);
  }

  /** No more than these were taken at any moment between two times. */
  most(from: number, to: number): number {
    return this.#taken.until(to) - this.#back.until(from);
  }
}

/** What may be taken of each SKU, and of each SKU by each buyer, as `sale/sku` and `sale/sku buyer`, once all is known. */
export function unitsInTime({
  names,
  clicks,
  orders,
  restocks,
}: {
  readonly names: Iterable<string>;
  readonly clicks: readonly Click[];
  readonly orders: ReadonlyMap<string, Known>;
  readonly restocks: readonly Restock[];
}): { bySku: ReadonlyMap<string, UnitsInTime>; byBuyer: ReadonlyMap<string, UnitsInTime> } {
  const bySku = new Map([...names].map((name) => [name, new UnitsInTime()]));
  const byBuyer = new Map<string, UnitsInTime>();
  for (const { ask, cutOff, firstSentAt, orderId, refusedAt } of clicks) {
    // One that was refused may have been taken before a crash undid it.
    if (orderId === undefined && !cutOff) continue;
    const backAt = orderId === undefined ? refusedAt! : freedAt(orders.get(orderId)!);
    const his = `${nameOf(ask)} ${ask.buyer}`;
    if (!byBuyer.has(his)) byBuyer.set(his, new UnitsInTime());
    for (const units of [bySku.get(nameOf(ask))!, byBuyer.get(his)!]) {
      units.mayBeTaken(firstSentAt, ask.quantity);
      units.surelyBack(backAt, ask.quantity);
    }
  }
  for (const { offer, quantity, firstSentAt, cutOff, became, endedAt } of restocks) {
    const units = bySku.get(nameOf(offer))!;
    if (quantity > 0) units.surelyBack(endedAt, quantity);
    else if (became === 'done' || cutOff) units.mayBeTaken(firstSentAt, -quantity);
    if (quantity < 0 && became === 'refused' && cutOff) units.surelyBack(endedAt, -quantity);
  }
  return { bySku, byBuyer };
}
