/** Units that may be taken over time, from what is known afterwards. Both ends of every span are known with doubt only. */

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
