/** What names may look like, against oracles that take their time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isId, isPrintable } from '../../dist/sale/rules.js';
import { runs, seeded } from '../support/random.js';

const idCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-';

function isIdPlainly(text: string): boolean {
  return (
    text.length >= 1 &&
    text.length <= 64 &&
    [...text].every((character) => idCharacters.includes(character)) &&
    !['.', '..'].includes(text)
  );
}

/** Character by character: no controls, no formats, no line or paragraph separators, no half surrogate pairs. */
function isPrintablePlainly(text: string, bytesMax: number): boolean {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length < 1 || bytes.length > bytesMax) return false;
  // A lone surrogate does not survive encoding.
  if (new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) !== text) return false;
  return [...text].every((character) => !/^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$/u.test(character));
}

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 70 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 24 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 24 })
    .map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom('雷', 'é', 'a', '😀', '\u0301'), { maxLength: 40 }).map((parts) => parts.join('')),
  // Long enough to meet the limit in bytes but not in characters, and the other way round.
  fc
    .tuple(fc.constantFrom('a', 'é', '雷', '😀'), fc.integer({ min: 14, max: 66 }))
    .map(([c, n]) => c.repeat(n)),
  // One stranger among letters.
  fc
    .tuple(fc.integer({ min: 0, max: 0x10ffff }), fc.nat(6))
    .map(([code, at]) => `${'abcdef'.slice(0, at)}${String.fromCodePoint(code)}${'abcdef'.slice(at)}`),
);

describe(seeded('names'), () => {
  test('are ids exactly when they are 1 to 64 of the id characters, and no step in a path', () => {
    const idLike = fc
      .array(fc.constantFrom(...idCharacters), { maxLength: 66 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.constantFrom('.', '..', '...', '.a'),
          idLike,
          idLike.map((text) => `${text}\n`),
        ),
        (text) => {
          expect(isId(text)).toBe(isIdPlainly(text));
        },
      ),
      runs(3_000),
    );
  });

  test('are printable exactly when every character is, within the limit in bytes of UTF-8', () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom(1, 4, 64, 256), (text, bytesMax) => {
        expect(isPrintable(text, bytesMax)).toBe(isPrintablePlainly(text, bytesMax));
      }),
      runs(5_000),
    );
  });
});

test('every single character of Unicode is judged as the oracle judges it', () => {
  const wrong: string[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    const text = String.fromCodePoint(code);
    if (isPrintable(text, 64) !== isPrintablePlainly(text, 64)) wrong.push(code.toString(16));
  }
  expect(wrong).toEqual([]);
});

test.each([
  ['nothing', '', false],
  ['a space', ' ', true],
  ['a tab', '\t', false],
  ['DEL', '\x7f', false],
  ['a no-break space', '\u00a0', true],
  ['a byte order mark', '\ufeffa', false],
  ['a zero-width joiner', 'a\u200db', false],
  ['a right-to-left override', 'a\u202eb', false],
  ['half a surrogate pair', 'a\ud800', false],
  ['an emoji', '😀', true],
  ['64 bytes', 'x'.repeat(64), true],
  ['65 bytes', 'x'.repeat(65), false],
  ['16 characters of four bytes', '😀'.repeat(16), true],
  ['16 characters of four bytes and one more', `${'😀'.repeat(16)}x`, false],
  ['22 characters of three bytes', '雷'.repeat(22), false],
])('%s as a buyer: printable or not as people would say', (_, text, wanted) => {
  expect(isPrintable(text, 64)).toBe(wanted);
});
