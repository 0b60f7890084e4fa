/**
 * The seed of a run's random tests: LEINIAO_TEST_SEED, or the clock. Put it into the title of a random test, so that
 * a failure shows it.
 */
const { LEINIAO_TEST_SEED = Date.now() % 2 ** 31 } = process.env;

export const seed = Number(LEINIAO_TEST_SEED);

/** A source of numbers in [0, 1), the same ones for the same seed: mulberry32 (Ettinger, public domain). */
export function randomFrom(start: number): () => number {
  let state = start | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
