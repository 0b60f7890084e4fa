/** The buyers' table against plain Maps: exact while it grows, whatever the hashes, and with any mix of SKUs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuyerTable, loadFactorMax } from '../../dist/shard/buyers.js';
import { readText, writeText } from '../../dist/text.js';
import { runs, seeded, wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';

/** A name at an odd word of a larger buffer, as in a request record. */
const words = new Int32Array(40);
const bytes = Buffer.from(words.buffer);
const nameAt = 5;

interface Buyer {
  readonly ref: number;
  readonly sale: number;
  readonly name: string;
  readonly units: Map<number, number>;
  readonly orders: number[];
}

/** The table and, beside it, what it should hold. `hashOf` decides who collides with whom. */
class Both {
  readonly table: BuyerTable;
  readonly buyers: Buyer[] = [];
  readonly #byName = new Map<string, Buyer>();
  readonly #hashOf: (sale: number, name: string) => number;

  constructor(max: number, hashOf: (sale: number, name: string) => number) {
    this.table = new BuyerTable(max);
    this.#hashOf = hashOf;
  }

  find(sale: number, name: string): number {
    const length = writeText(bytes, nameAt * 4, name);
    return this.table.find(this.#hashOf(sale, name), sale, words, nameAt, length);
  }

  known(sale: number, name: string): Buyer | undefined {
    return this.#byName.get(`${sale} ${name}`);
  }

  /** Adds a buyer with his first order. */
  insert(sale: number, name: string, order = 0, row = 0, quantity = 1): Buyer {
    const length = writeText(bytes, nameAt * 4, name);
    const hash = this.#hashOf(sale, name);
    const ref = this.table.insert(hash, sale, words, nameAt, length, order, row, quantity);
    const buyer: Buyer = { ref, sale, name, units: new Map([[row, quantity]]), orders: [order] };
    this.buyers.push(buyer);
    this.#byName.set(`${sale} ${name}`, buyer);
    return buyer;
  }

  checkName({ ref, sale, name }: Buyer): void {
    const copy = new Int32Array(20).fill(-1);
    const length = this.table.copyName(ref, copy, 2);
    expect(readText(Buffer.from(copy.buffer), 8, length)).toBe(name);
    expect(this.table.nameBytes(ref)).toBe(length);
    expect(this.table.saleNumber(ref)).toBe(sale);
    expect(copy[1]).toBe(-1);
  }
}

/** FNV-1a, cut to `bits`: few bits make many equal hashes. */
function hashOfBits(bits: number): (sale: number, name: string) => number {
  return (sale, name) => {
    let hash = 0x811c9dc5 ^ sale;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    return bits === 32 ? hash | 0 : hash & (2 ** bits - 1);
  };
}

/** Prepares share by share, and returns pages of all of them. Each has to be in its bounds, and the last is not full. */
function prepareAll(table: BuyerTable, more: number, pagesMax: number): number {
  let pages = 0;
  for (;;) {
    const share = table.prepare(more, pagesMax);
    expect(share).toBeLessThanOrEqual(pagesMax);
    pages += share;
    if (share < pagesMax) return pages;
  }
}

describe(seeded('the buyers’ table'), () => {
  test.each([
    { bits: 32, buyers: 40_000 },
    { bits: 13, buyers: 12_000 },
    { bits: 9, buyers: 5_000 },
  ])(
    'finds all of $buyers buyers and nobody else while it grows, with hashes of $bits bits',
    ({ bits, buyers }) => {
      const random = wholeNumbersFrom(seed);
      const both = new Both(buyers, hashOfBits(bits));
      let missing = 0;
      let invented = 0;
      for (let i = 0; i < buyers; i++) {
        const sale = 1 + random(2);
        if (both.find(sale, `buyer ${i}`) !== -1) invented += 1;
        both.insert(sale, `buyer ${i}`);
        // Somebody from any time, and one of the last few: both sides of a move under way.
        for (const j of [random(i + 1), Math.max(0, i - random(40))]) {
          const other = both.buyers[j]!;
          if (both.find(other.sale, other.name) !== other.ref) missing += 1;
          if (both.find(3 - other.sale, other.name) !== -1) invented += 1;
        }
      }
      for (const { sale, name, ref } of both.buyers) if (both.find(sale, name) !== ref) missing += 1;
      expect({ missing, invented }).toEqual({ missing: 0, invented: 0 });
      expect(both.table.count).toBe(buyers);
      for (let i = 0; i < 100; i++) both.checkName(both.buyers[random(buyers)]!);
    },
  );

  test('finds every one of them after each single insert around a doubling', () => {
    const both = new Both(10_000, hashOfBits(32));
    // 4,096 slots at the start; moving them takes a sixteenth as many inserts.
    const doubling = 4_096 * loadFactorMax;
    for (let i = 0; i < doubling - 50; i++) both.insert(1, `buyer ${i}`);
    for (let i = doubling - 50; i < doubling + 4_096 / 16 + 100; i++) {
      both.insert(1, `buyer ${i}`);
      let missing = 0;
      for (const { sale, name, ref } of both.buyers) if (both.find(sale, name) !== ref) missing += 1;
      expect(missing).toBe(0);
    }
  });

  test('is exact whenever it is prepared, for however many, and at whatever pace', () => {
    const step = fc.record({
      inserts: fc.nat(2_000),
      more: fc.oneof(fc.nat(3_000), fc.nat(60_000)),
      shares: fc.nat(6),
      pagesMax: fc.constantFrom(1, 2, 3, 8, 100),
    });
    const property = fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.constantFrom(12, 32),
      (steps, bits) => {
        const random = wholeNumbersFrom(seed);
        const both = new Both(24_000, hashOfBits(bits));
        let wrong = 0;
        for (const { inserts, more, shares, pagesMax } of steps) {
          for (let i = 0; i < shares; i++) both.table.prepare(more, pagesMax);
          for (let i = 0; i < inserts && both.table.hasRoom(); i++) {
            const { length } = both.buyers;
            if (both.find(1, `buyer ${length}`) !== -1) wrong += 1;
            both.insert(1, `buyer ${length}`);
            const other = both.buyers[random(length + 1)]!;
            if (both.find(1, other.name) !== other.ref) wrong += 1;
          }
        }
        for (const { name, ref } of both.buyers) if (both.find(1, name) !== ref) wrong += 1;
        expect(wrong).toBe(0);
        for (const buyer of both.buyers.slice(-50)) both.checkName(buyer);
      },
    );
    fc.assert(property, runs(20));
  });

  test('that was prepared has nothing left to do for its buyers', () => {
    const both = new Both(100_000, hashOfBits(32));
    for (let i = 0; i < 3_000; i++) both.insert(1, `buyer ${i}`);
    // At least the entries of 32 bytes; and slots of 8 that are five eighths full.
    expect(prepareAll(both.table, 50_000, 16)).toBeGreaterThan((50_000 * (32 + (8 * 8) / 5)) / 4_096);
    for (let i = 3_000; i < 53_000; i++) {
      both.insert(1, `buyer ${i}`);
      if (i % 1_000 === 0) expect(both.table.prepare(53_000 - i - 1, 16)).toBe(0);
    }
    let missing = 0;
    for (const { name, ref } of both.buyers) if (both.find(1, name) !== ref) missing += 1;
    expect(missing).toBe(0);
  });

  test('is prepared for as many as there is room for', () => {
    const both = new Both(1_000, hashOfBits(32));
    both.insert(1, 'u');
    prepareAll(both.table, 1_000_000, 4);
    for (let i = 1; i < 1_000; i++) both.insert(1, `buyer ${i}`);
    expect(both.table.hasRoom()).toBe(false);
    expect(both.table.prepare(1_000_000, 4)).toBe(0);
    expect(both.find(1, 'u')).toBe(0);
  });

  test('counts units per buyer and SKU, and lists orders, as plain Maps do', () => {
    const step = fc.record({
      kind: fc.constantFrom('buy', 'buy', 'buy', 'refund', 'list', 'look'),
      sale: fc.integer({ min: 1, max: 2 }),
      name: fc.constantFrom('u', 'u\0', 'uu', '雷', 'x'.repeat(64), 'x'.repeat(63), 'y'.repeat(64)),
      row: fc.oneof(fc.nat(3), fc.constantFrom(0, 4_095)),
      quantity: fc.integer({ min: 1, max: 1_000 }),
    });
    const property = fc.property(
      fc.array(step, { maxLength: 150 }),
      fc.constantFrom(0, 1, 32),
      (steps, bits) => {
        const both = new Both(200, hashOfBits(bits));
        let orders = 0;
        for (const { kind, sale, name, row, quantity } of steps) {
          let buyer = both.known(sale, name);
          expect(both.find(sale, name)).toBe(buyer?.ref ?? -1);
          if (buyer === undefined && kind !== 'buy') continue;
          if (buyer === undefined) {
            buyer = both.insert(sale, name, orders++, row, quantity);
            continue;
          }
          const { ref, units } = buyer;
          const has = units.get(row) ?? 0;
          if (kind === 'buy') {
            both.table.addPurchase(ref, row, quantity);
            units.set(row, has + quantity);
            expect(both.table.appendOrder(ref, orders)).toBe(buyer.orders.at(-1));
            buyer.orders.push(orders++);
          } else if (kind === 'refund' && has > 0) {
            const back = 1 + (quantity % has);
            both.table.addPurchase(ref, row, -back);
            units.set(row, has - back);
          }
          for (const other of both.buyers) {
            for (const at of [0, 1, 2, 3, 4_095]) {
              expect(both.table.purchased(other.ref, at)).toBe(other.units.get(at) ?? 0);
            }
            expect(both.table.firstOrder(other.ref)).toBe(other.orders[0]);
          }
        }
        for (const buyer of both.buyers) both.checkName(buyer);
      },
    );
    fc.assert(property, runs(200));
  });
});

test('a buyer of a thousand SKUs has an account for each', () => {
  const both = new Both(2_000, hashOfBits(32));
  const { ref } = both.insert(1, 'collector');
  for (let row = 0; row < 1_000; row++) both.table.addPurchase(ref, row, row === 0 ? 0 : row + 1);
  for (let row = 0; row < 1_000; row += 3) both.table.addPurchase(ref, row, -row);
  for (let row = 0; row < 1_000; row++) {
    expect(both.table.purchased(ref, row)).toBe(row % 3 === 0 ? 1 : row + 1);
  }
});

test('a refund of more than a buyer has stops the shard, for his first SKU and for further ones', () => {
  const both = new Both(10, hashOfBits(32));
  const { ref } = both.insert(1, 'u', 0, 4, 2);
  both.table.addPurchase(ref, 9, 2);
  for (const row of [4, 9]) {
    expect(() => both.table.addPurchase(ref, row, -3)).toThrow('less than nothing');
  }
});

test('has room for as many buyers as it was made for, and asserts it', () => {
  const both = new Both(3, hashOfBits(32));
  for (const name of ['a', 'b', 'c']) {
    expect(both.table.hasRoom()).toBe(true);
    both.insert(1, name);
  }
  expect(both.table.hasRoom()).toBe(false);
  expect(() => both.insert(1, 'd')).toThrow('room for a buyer');
  expect(both.find(1, 'c')).toBe(2);
});

test('prefetching changes nothing', () => {
  const both = new Both(5_000, hashOfBits(32));
  const hashes = new Int32Array(32).map((_, i) => Math.imul(i, 0x9e3779b1));
  for (let i = 0; i < 5_000; i++) {
    both.insert(1, `buyer ${i}`);
    both.table.prefetch(hashes, 1 + (i % 32));
  }
  let missing = 0;
  for (const { sale, name, ref } of both.buyers) if (both.find(sale, name) !== ref) missing += 1;
  expect(missing).toBe(0);
});
