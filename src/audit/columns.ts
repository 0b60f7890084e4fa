/** Typed arrays that grow: millions of numbers without an object each. Pure. */

type Numbers = Uint8Array | Uint16Array | Int32Array | Float64Array;

/** An array of at least `length` numbers, with those of `array` at its start. */
export function grown<T extends Numbers>(array: T, length: number): T {
  if (array.length >= length) return array;
  const larger = new (array.constructor as new (length: number) => T)(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}

/** MurmurHash3's finaliser (Appleby, public domain): spreads every bit over all of them. */
export function mixed(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
