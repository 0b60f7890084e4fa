/** The auditor's tables beside JavaScript's own maps, far beyond the size they begin with. */
import { expect, test } from 'vitest';
import { NameTable } from '../../dist/audit/names.js';
import { Purchases } from '../../dist/audit/purchases.js';
import { writeText } from '../../dist/text.js';
import { seeded, wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';

test(seeded('names have the numbers that a map would give them, and their texts come back'), () => {
  const random = wholeNumbersFrom(seed);
  const table = new NameTable();
  const map = new Map<string, number>();
  const bytes = Buffer.from(new ArrayBuffer(256));
  const words = new Int32Array(bytes.buffer);
  // Texts of up to 64 bytes: more of them than one chunk holds.
  for (let i = 0; i < 200_000; i++) {
    const scope = random(3) - 1;
    const text = `${'ü'.repeat(random(4))}${random(60_000)}`.padEnd(random(57), '-');
    const at = random(8);
    const length = writeText(bytes, at * 4, text);
    const expected = map.get(`${scope} ${text}`) ?? map.size;
    map.set(`${scope} ${text}`, expected);
    const number = table.numberOf(scope, words, at, length);
    if (number !== expected || table.textOf(number) !== text) {
      expect({ text, number, back: table.textOf(number) }).toEqual({ text, number: expected, back: text });
    }
  }
  expect(table.count).toBe(map.size);
  expect(table.count).toBeGreaterThan(50_000);
});

test(seeded('purchases add up by buyer and row'), () => {
  const random = wholeNumbersFrom(seed);
  const purchases = new Purchases();
  const map = new Map<string, number>();
  for (let i = 0; i < 200_000; i++) {
    const [buyer, row, units] = [random(40_000), random(3), random(7) - 2];
    const name = `${buyer} ${row}`;
    const expected = map.get(name) ?? 0;
    if (purchases.units(buyer, row) !== expected)
      expect({ name, units: purchases.units(buyer, row) }).toBe(expected);
    purchases.add(buyer, row, units);
    map.set(name, expected + units);
  }
  for (const [name, units] of map) {
    const [buyer, row] = name.split(' ').map(Number) as [number, number];
    if (purchases.units(buyer, row) !== units)
      expect({ name, units: purchases.units(buyer, row) }).toBe(units);
  }
});
