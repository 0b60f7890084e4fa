/** Random numbers of the benchmarks: the same in every run, and as they should be spread. */
import { expect, test } from 'vitest';
import { seededRandom, shuffled } from '../../native-bench/harness/random.js';
import { sharesOf, streamOf } from '../../native-bench/scaling/demand.js';

test('shuffled numbers are the same ones in another order, which the seed alone decides', () => {
  const numbers = Int32Array.from({ length: 1_000 }, (_, i) => i);
  const order = shuffled(numbers, seededRandom(5));
  expect(order).not.toEqual(numbers);
  expect([...order].sort((a, b) => a - b)).toEqual([...numbers]);
  expect(shuffled(numbers, seededRandom(5))).toEqual(order);
  expect(shuffled(numbers, seededRandom(6))).not.toEqual(order);
});

test.each(['uniform', 'zipf', 'hot'] as const)(
  'under %s demand every SKU has its share of the orders',
  (demand) => {
    const skus = 16;
    const shares = sharesOf(demand, skus);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    const stream = streamOf(demand, skus, 3);
    expect(streamOf(demand, skus, 3)).toEqual(stream);
    const drawn = new Array<number>(skus).fill(0);
    for (const sku of stream) drawn[sku]! += 1;
    for (const [sku, share] of shares.entries()) {
      // Six standard deviations of a binomial distribution; none where nothing is left to chance.
      const deviation = Math.sqrt((share * (1 - share)) / stream.length);
      expect(Math.abs(drawn[sku]! / stream.length - share)).toBeLessThanOrEqual(6 * deviation);
    }
  },
);

test('under hot demand everybody wants the first SKU; under Zipf’s the k-th is wanted 1 / k^1.1 times as often', () => {
  expect(sharesOf('hot', 4)).toEqual([1, 0, 0, 0]);
  const [first, second, , fourth] = sharesOf('zipf', 4);
  expect(second! / first!).toBeCloseTo(2 ** -1.1, 12);
  expect(fourth! / first!).toBeCloseTo(4 ** -1.1, 12);
});
