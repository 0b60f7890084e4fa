/** The order written as bytes is the order as JSON, whatever was written before it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type OrderContext, orderOf } from '../../dist/acceptor/order-answers.js';
import { OrderWriter } from '../../dist/acceptor/order-writer.js';
import { orderJson } from '../../dist/acceptor/views.js';
import { limits } from '../../dist/config.js';
import { newReply } from '../../dist/memory/records.js';
import { build, type CatalogueSku } from '../../dist/sale/catalogue.js';
import { OrderIds } from '../../dist/sale/order-id.js';
import { isPrintable } from '../../dist/sale/rules.js';
import { runs, seeded } from '../support/random.js';

const shards = 3;
const sales = ['a', 'x'.repeat(limits.saleIdBytesMax)].map((id, i) =>
  build({
    id,
    number: i + 1,
    revision: i + 1,
    definition: {
      skus: [
        { sku: 'b', stock: 1 },
        { sku: 'y'.repeat(limits.skuIdBytesMax), stock: 1 },
      ],
    },
    startsAtMs: 0,
    endsAtMs: null,
    state: 0,
    places: [
      [2 * i, (2 * i) % shards],
      [2 * i + 1, (2 * i + 1) % shards],
    ],
  }),
);
const skus: CatalogueSku[] = sales.flatMap((sale) => sale.skus);

const buyers = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: limits.buyerBytesMax }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => isPrintable(text, 64)),
  fc.constantFrom('"', '\\', '"'.repeat(limits.buyerBytesMax), '雷鸟', 'u-1', 'u-2'),
);
/** Of the same second and of others, with every digit in its turn. */
const times = (first: number) =>
  fc.oneof(
    fc.constantFrom(first, first + 1),
    fc.nat(1_999).map((ms) => first + ms),
  );
const deadlines = fc.oneof(times(1_800_000_000_000), fc.constant(Number.POSITIVE_INFINITY));
const replies = fc.record({
  row: fc.nat(skus.length - 1),
  buyer: buyers,
  orderNumber: fc.oneof(fc.nat(2 ** 31 - 1), fc.nat(0x11)),
  quantity: fc.constantFrom(1, 2, limits.quantityMax),
  sequence: fc.oneof(fc.nat(2 ** 31 - 1), fc.constantFrom(0, 1, 9, 10, 99, 100)),
  createdAtMs: times(1_700_000_000_000),
  expiresAtMs: deadlines,
  status: fc.constantFrom(1, 2, 3, 4),
  durability: fc.constantFrom(0, 1, 2),
  reacquired: fc.boolean(),
});

describe(seeded('an order written as bytes'), () => {
  test('is the order as JSON, and its head says where it is', () => {
    const ids = new OrderIds(0xabcdef, shards);
    const context = { catalogue: { skuInRow: (row: number) => skus[row]! }, ids } as OrderContext;
    const writer = new OrderWriter(ids);
    fc.assert(
      fc.property(fc.array(replies, { minLength: 1, maxLength: 20 }), (list) => {
        for (const { buyer, ...fields } of list) {
          const reply = Object.assign(newReply(), fields);
          const order = orderOf(context, reply, buyer);
          const sku = skus[reply.row]!;
          expect(Buffer.from(writer.body(reply, sku, buyer)).toString('utf8')).toBe(orderJson(order));
          const head = Buffer.from(writer.createdHead).toString('latin1');
          expect(head.split('\r\n')).toEqual([
            '201 Created',
            'Content-Type: application/json',
            `Location: /v1/orders/${order.orderId}`,
          ]);
        }
      }),
      runs(2_000),
    );
  });
});
