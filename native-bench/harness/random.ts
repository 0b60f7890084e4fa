/** Random numbers that are the same in every run, so that two runs measure the same work. Pure. */
import { seededRandom } from '#dist/cli/simulate/random.js';

export { seededRandom };

/** The same numbers in another order, each order alike: Fisher and Yates. */
export function shuffled(numbers: Int32Array, random: () => number): Int32Array {
  const result = numbers.slice();
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
