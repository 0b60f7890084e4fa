/**
 * Short UTF-8 texts in word-aligned fields: written, read, compared and hashed by whole words. A field's last
 * word is padded with zeros, so that equal texts are equal words. Any thread.
 */

/** Words that `bytes` bytes of text take. */
export function textWords(bytes: number): number {
  return (bytes + 3) >> 2;
}

/**
 * Writes `text` as UTF-8 at byte `at`, padded to a whole word, and returns its length in bytes. The caller has
 * checked that it fits its field.
 */
export function writeText(bytes: Buffer, at: number, text: string): number {
  let length = text.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) {
      length = bytes.write(text, at, 'utf8');
      break;
    }
    bytes[at + i] = unit;
  }
  for (let i = length; (i & 3) !== 0; i++) bytes[at + i] = 0;
  return length;
}

/**
 * The same for a text of printable ASCII, as nearly every name is, and a check that it is: returns its length in bytes, or
 * 0 where it has any other character; what is in its place then means nothing. By words, so it needs neither the pass that
 * checks nor a store per byte. Words are little-endian, as on every processor that there is a uWebSockets.js for.
 */
export function writePlain(words: Int32Array, at: number, text: string): number {
  const { length } = text;
  // Negative once any character was outside of 0x20 to 0x7e.
  let odd = 0;
  let word = at;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    odd |=
      (a - 0x20) | (b - 0x20) | (c - 0x20) | (d - 0x20) | (0x7e - a) | (0x7e - b) | (0x7e - c) | (0x7e - d);
    words[word++] = a | (b << 8) | (c << 16) | (d << 24);
  }
  if (i < length) {
    let last = 0;
    for (let shift = 0; i < length; i++, shift += 8) {
      const unit = text.charCodeAt(i);
      odd |= (unit - 0x20) | (0x7e - unit);
      last |= unit << shift;
    }
    words[word] = last;
  }
  return odd < 0 ? 0 : length;
}

/** Reads `length` bytes of UTF-8 at byte `at`. */
export function readText(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('utf8', at, at + length);
}

/** Exact equality of `count` words. */
export function sameWords(a: Int32Array, aAt: number, b: Int32Array, bAt: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    if (a[aAt + i] !== b[bAt + i]) return false;
  }
  return true;
}

/** Copies `count` words. A loop, because texts are short and a native call costs more than it saves. */
export function copyWords(
  from: Int32Array,
  fromAt: number,
  to: Int32Array,
  toAt: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[fromAt + i]!;
}

/** Starts a hash. `seed` is random per engine, so that nobody can prepare colliding names. */
export function hashStart(seed: number, value: number): number {
  return hashWord(seed, value);
}

/** Mixes one word in: the body of MurmurHash3_x86_32 (Appleby, public domain). */
function hashWord(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Mixes a text of `bytes` bytes in, its length first, so that neighbouring texts cannot run into each other. */
export function hashText(hash: number, words: Int32Array, at: number, bytes: number): number {
  let h = hashWord(hash, bytes);
  const count = textWords(bytes);
  for (let i = 0; i < count; i++) h = hashWord(h, words[at + i]!);
  return h;
}

/** Ends a hash: MurmurHash3's finaliser. */
export function hashEnd(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The hash of a buyer in a sale, by which a shard looks him up. The name is at word `at`. */
export function buyerHash(
  seed: number,
  saleNumber: number,
  words: Int32Array,
  at: number,
  bytes: number,
): number {
  return hashEnd(hashText(hashStart(seed, saleNumber), words, at, bytes));
}
