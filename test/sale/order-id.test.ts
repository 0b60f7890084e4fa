/** Order ids: an address there and back, and nobody else's id taken for one of ours. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { OrderIds } from '../../dist/sale/order-id.js';
import { runs, seeded } from '../support/random.js';

const tags = fc.oneof(fc.nat(2 ** 24 - 1), fc.constantFrom(0, 1, 0x0fffff, 2 ** 24 - 1));
const numbers = fc.oneof(
  fc.nat(2 ** 31 - 1),
  fc.nat(0x2ffff),
  fc.constantFrom(0, 0xffff, 0x10000, 2 ** 31 - 1),
);

describe(seeded('an order id'), () => {
  test('leads back to its order, in whatever sequence ids are made', () => {
    const orders = fc.array(fc.tuple(fc.nat(limits.shardsMax - 1), numbers), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(tags, orders, (tag, list) => {
        const ids = new OrderIds(tag, limits.shardsMax);
        for (const [shard, number] of list) {
          const id = ids.format(shard, number);
          expect(id).toMatch(/^[0-9a-f]{16}$/);
          expect(id).toBe(
            tag.toString(16).padStart(6, '0') +
              shard.toString(16).padStart(2, '0') +
              number.toString(16).padStart(8, '0'),
          );
          expect(ids.parse(id)).toEqual({ shard, number });
        }
      }),
      runs(300),
    );
  });

  test('of another store, or of a shard that this store lacks, is nobody’s', () => {
    fc.assert(
      fc.property(tags, tags, fc.nat(limits.shardsMax - 1), numbers, (tag, otherTag, shard, number) => {
        const id = new OrderIds(tag, limits.shardsMax).format(shard, number);
        if (otherTag !== tag) expect(new OrderIds(otherTag, limits.shardsMax).parse(id)).toBeUndefined();
        if (shard > 0) expect(new OrderIds(tag, shard).parse(id)).toBeUndefined();
        expect(new OrderIds(tag, shard + 1).parse(id)).toEqual({ shard, number });
      }),
      runs(300),
    );
  });

  test('is the only text that leads to its order: whatever else parses, formats back to itself', () => {
    const ids = new OrderIds(0xabc123, 4);
    const texts = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.stringMatching(/^[0-9a-fA-F]{14,18}$/),
      fc.stringMatching(/^abc1230[0-9a-f]{9}$/),
      fc.stringMatching(/^ABC1230[0-9A-F]{9}$/),
      fc.stringMatching(/^abc1230[0-9a-f]{9}\n$/),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const address = ids.parse(text);
        if (address !== undefined) expect(ids.format(address.shard, address.number)).toBe(text);
      }),
      runs(2_000),
    );
  });
});

test.each([
  '',
  '0',
  'abc1230000000000 ',
  ' abc123000000000',
  'abc123000000000',
  'abc12300000000000',
  'ABC1230000000000',
  'abc12300 0000000',
  'abc123040000000g',
  'abc1230080000000',
  'abc1230400000000',
])('"%s" is no id of store abc123 with 4 shards', (text) => {
  expect(new OrderIds(0xabc123, 4).parse(text)).toBeUndefined();
});
