/** Units that each buyer has of each SKU in orders that count against the purchase limit. Pure. */
import { mixed } from './columns.js';

export class Purchases {
  /** Three words an entry: buyer plus one (0 for free), stock row, units. Open addressing, linear probing. */
  #table = new Int32Array(3 * 1024);
  #capacity = 1024;
  #count = 0;

  /** Units of `row` that `buyer` has. */
  units(buyer: number, row: number): number {
    return this.#table[this.#find(buyer, row) + 2]!;
  }

  add(buyer: number, row: number, units: number): void {
    const at = this.#find(buyer, row);
    const table = this.#table;
    const isNew = table[at] === 0;
    table[at] = buyer + 1;
    table[at + 1] = row;
    table[at + 2]! += units;
    if (!isNew) return;
    this.#count += 1;
    if (this.#count * 2 > this.#capacity) this.#spread();
  }

  #find(buyer: number, row: number): number {
    const table = this.#table;
    const mask = this.#capacity - 1;
    for (let slot = mixed(Math.imul(buyer, 0x9e3779b1) ^ row) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 3;
      if (table[at] === 0 || (table[at] === buyer + 1 && table[at + 1] === row)) return at;
    }
  }

  #spread(): void {
    const before = this.#table;
    this.#capacity *= 2;
    this.#table = new Int32Array(3 * this.#capacity);
    for (let from = 0; from < before.length; from += 3) {
      if (before[from] === 0) continue;
      this.#table.set(before.subarray(from, from + 3), this.#find(before[from]! - 1, before[from + 1]!));
    }
  }
}
