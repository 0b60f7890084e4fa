/** Texts in word-aligned fields, with Buffer as the oracle. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  copyWords,
  hashEnd,
  hashStart,
  hashText,
  readText,
  sameWords,
  textWords,
  writePlain,
  writeText,
} from '../../dist/text.js';
import { runs, seeded } from '../support/random.js';

const untouched = 0xa5;

/** Any string that JavaScript has, lone surrogates and NULs included. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
  // Nearly ASCII: one byte in Latin-1, two in UTF-8.
  fc
    .array(fc.integer({ min: 0x60, max: 0x100 }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
);

/** A field in the middle of a larger buffer. */
function fieldWith(text: string, atWord: number) {
  const words = new Int32Array(128);
  const bytes = Buffer.from(words.buffer).fill(untouched);
  return { words, bytes, length: writeText(bytes, atWord * 4, text) };
}

describe(seeded('a text'), () => {
  const places = fc.nat(20);

  test('is written as Buffer would write it, padded with zeros to a whole word, and nothing around it', () => {
    fc.assert(
      fc.property(anyText, places, (text, atWord) => {
        const { bytes, length } = fieldWith(text, atWord);
        const oracle = Buffer.from(text, 'utf8');
        const at = atWord * 4;
        const end = at + textWords(length) * 4;
        expect(length).toBe(oracle.length);
        expect(bytes.subarray(at, at + length).equals(oracle)).toBe(true);
        expect([...bytes.subarray(at + length, end)].every((byte) => byte === 0)).toBe(true);
        expect(end - at - length).toBeLessThan(4);
        expect([...bytes.subarray(0, at), ...bytes.subarray(end)].every((byte) => byte === untouched)).toBe(
          true,
        );
      }),
      runs(2_000),
    );
  });

  test('is read back as it was; half a surrogate pair reads as the replacement character', () => {
    fc.assert(
      fc.property(anyText, places, (text, atWord) => {
        const { bytes, length } = fieldWith(text, atWord);
        expect(readText(bytes, atWord * 4, length)).toBe(Buffer.from(text).toString());
      }),
      runs(1_000),
    );
  });

  test('of printable ASCII is written the same by words; any other is recognised, and nothing around it touched', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ maxLength: 70 })), places, (text, atWord) => {
        const plain = /^[\x20-\x7e]+$/.test(text);
        const words = new Int32Array(128);
        const bytes = Buffer.from(words.buffer).fill(untouched);
        expect(writePlain(words, atWord, text)).toBe(plain ? text.length : 0);
        const end = (atWord + textWords(text.length)) * 4;
        if (plain) expect(bytes.equals(fieldWith(text, atWord).bytes)).toBe(true);
        expect(
          [...bytes.subarray(0, atWord * 4), ...bytes.subarray(end)].every((byte) => byte === untouched),
        ).toBe(true);
      }),
      runs(2_000),
    );
  });

  test('over a longer one leaves nothing of it within its words', () => {
    fc.assert(
      fc.property(anyText, anyText, (first, second) => {
        const { words, bytes } = fieldWith(first, 3);
        const length = writeText(bytes, 12, second);
        const fresh = fieldWith(second, 3);
        expect(sameWords(words, 3, fresh.words, 3, textWords(length))).toBe(true);
      }),
      runs(1_000),
    );
  });

  test('has the same words as another exactly when both are the same bytes', () => {
    const pairs = fc.oneof(
      fc.tuple(anyText, anyText),
      anyText.map((text) => [text, text]),
      // Apart in one place only.
      fc.tuple(anyText, fc.nat(40)).map(([text, i]) => [text, `${text.slice(0, i)}!${text.slice(i + 1)}`]),
    );
    fc.assert(
      fc.property(pairs, places, places, ([a = '', b = ''], aAt, bAt) => {
        const one = fieldWith(a, aAt);
        const other = fieldWith(b, bAt);
        const equal =
          one.length === other.length && sameWords(one.words, aAt, other.words, bAt, textWords(one.length));
        expect(equal).toBe(Buffer.from(a).equals(Buffer.from(b)));
      }),
      runs(2_000),
    );
  });

  test('hashes alike wherever it stands, and unlike every other text of a small world', () => {
    fc.assert(
      fc.property(
        anyText,
        places,
        places,
        fc.integer(),
        fc.integer(),
        (text, aAt, bAt, seedOfHash, value) => {
          const hashAt = (atWord: number) => {
            const { words, length } = fieldWith(text, atWord);
            return hashEnd(hashText(hashStart(seedOfHash, value), words, atWord, length));
          };
          expect(hashAt(aAt)).toBe(hashAt(bAt));
          expect(Number.isInteger(hashAt(aAt)) && hashAt(aAt) === (hashAt(aAt) | 0)).toBe(true);
        },
      ),
      runs(500),
    );
  });
});

test('texts of nought to eight bytes take the words that hold them', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map(textWords)).toEqual([0, 1, 1, 1, 1, 2, 2, 2, 2]);
});

test('copyWords copies exactly the words it is told to', () => {
  const to = new Int32Array(6).fill(-1);
  copyWords(Int32Array.of(1, 2, 3, 4), 1, to, 2, 2);
  expect([...to]).toEqual([-1, -1, 2, 3, -1, -1]);
});

describe('hashes of texts', () => {
  const words = new Int32Array(32);
  const bytes = Buffer.from(words.buffer);
  const hashOf = (seedOfHash: number, sale: number, ...texts: string[]) => {
    let hash = hashStart(seedOfHash, sale);
    for (const text of texts) hash = hashText(hash, words, 0, writeText(bytes, 0, text));
    return hashEnd(hash);
  };

  test('tell texts apart that differ in their border, in a trailing NUL, in the sale or in the seed', () => {
    const hashes = [
      hashOf(1, 1, 'ab', 'c'),
      hashOf(1, 1, 'a', 'bc'),
      hashOf(1, 1, 'abc', ''),
      hashOf(1, 1, 'abc'),
      hashOf(1, 1, 'abc\0'),
      hashOf(1, 2, 'abc'),
      hashOf(2, 1, 'abc'),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('spread numbered buyers over the slots as evenly as chance would', () => {
    const slots = new Int32Array(4_096);
    const buyers = 4_096 * 16;
    for (let i = 0; i < buyers; i++) slots[hashOf(7, 1, `u-${i}`) & 4_095]! += 1;
    // Chi-squared with 4,095 degrees of freedom: mean 4,095, standard deviation 90.
    const chiSquared = slots.reduce((sum, count) => sum + (count - 16) ** 2 / 16, 0);
    expect(chiSquared).toBeGreaterThan(4_095 - 6 * 90);
    expect(chiSquared).toBeLessThan(4_095 + 6 * 90);
  });
});
