/** Lets two threads go on from the same point at the same moment, again and again. */

const spins = 2_000;

/** @param control at least 4 words, zeroed; `side` 0 or 1; `round` counts up from 0 on both sides */
export function meet(control, side, round) {
  const words = new Int32Array(control);
  Atomics.store(words, side, round + 1);
  Atomics.notify(words, side);
  // Spinning makes the two leave within nanoseconds of each other; a single core would spin in vain.
  for (let i = 0; i < spins; i++) if (Atomics.load(words, 1 - side) > round) return;
  for (let seen = Atomics.load(words, 1 - side); seen <= round; seen = Atomics.load(words, 1 - side)) {
    Atomics.wait(words, 1 - side, seen);
  }
}
