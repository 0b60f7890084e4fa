/**
 * The written-out checks of an order against the compiled schemas, on values that are orders, nearly, and not at all.
 * Left aside is what only JavaScript can make and nobody sends: unknown properties that are hidden or inherited.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isOrderBody,
  newOrderValues,
  orderBody,
  orderRequest,
  orderTextWordsMax,
  readOrderRequest,
} from '../../dist/sale/schema.js';
import { runs, seeded } from '../support/random.js';

const { defineProperty, assign, create } = Object;
const body = { sku: 'phone', buyer: 'u-42' };
const request = { sale: 'sale-1', ...body };

describe.each([
  {
    name: 'a request',
    schema: orderRequest,
    check: (value: unknown) => readOrderRequest(value, newOrderValues(new Int32Array(orderTextWordsMax))),
    order: request,
    more: { idempotencyKey: 'k' },
  },
  { name: 'a body', schema: orderBody, check: (value: unknown) => isOrderBody(value), order: body, more: {} },
])('the written-out check of $name agrees with the schema', ({ schema, check, order, more }) => {
  function bothSay(value: unknown): boolean {
    const wanted = schema.Check(value);
    expect(check(value)).toBe(wanted);
    return wanted;
  }

  test.each<[string, unknown, boolean]>([
    ['the least an order needs', order, true],
    ['all it may have', { ...order, quantity: 1_000, ...more }, true],
    ['an undefined quantity', { ...order, quantity: undefined }, true],
    ['an empty key', { ...order, idempotencyKey: '' }, false],
    ['a key of the other kind of check', { ...order, idempotencyKey: 'k' }, 'idempotencyKey' in more],
    ['no units', { ...order, quantity: 0 }, false],
    ['minus zero', { ...order, quantity: -0 }, false],
    ['too many units', { ...order, quantity: 1_001 }, false],
    ['half a unit', { ...order, quantity: 1.5 }, false],
    ['a quantity as text', { ...order, quantity: '1' }, false],
    ['a quantity as a bigint', { ...order, quantity: 1n }, false],
    ['a quantity as an object', { ...order, quantity: { valueOf: () => 1 } }, false],
    ['no quantity at all, but null', { ...order, quantity: null }, false],
    ['a buyer as an object', { ...order, buyer: new String('u-42') }, false],
    ['a buyer as a list', { ...order, buyer: ['u-42'] }, false],
    ['an undefined buyer', { ...order, buyer: undefined }, false],
    ['an unknown property', { ...order, quantiy: 2 }, false],
    ['an unknown property that is undefined', { ...order, quantiy: undefined }, false],
    ['a property called constructor', { ...order, constructor: 1 }, false],
    ['an own property called __proto__', { ...order, ['__proto__']: 1 }, false],
    ['a symbol beside', { ...order, [Symbol('x')]: 1 }, true],
    ['no prototype', assign(create(null), order), true],
    ['a class instance', assign(new (class Order {})(), order), true],
    ['a list with the properties of an order', assign([], order), false],
    ['a function with the properties of an order', assign(() => 1, order), false],
    ['null', null, false],
    ['undefined', undefined, false],
    ['a text', 'order', false],
    ['a number', 7, false],
    ['an empty list', [], false],
  ])('on %s', (_, value, wanted) => {
    expect(bothSay(value)).toBe(wanted);
  });

  describe(seeded('and at random'), () => {
    const id = fc.oneof(
      fc.constantFrom('a', 'A.b_c-9', 'x'.repeat(64), 'x'.repeat(65), '', 'a b', 'ü'),
      fc.string(),
    );
    const name = fc.oneof(
      fc.constantFrom('u', '雷鸟', 'x'.repeat(64), '雷'.repeat(22), '', 'a\n', '\ud800', '\u200b'),
      fc.string({ unit: 'binary' }),
    );
    const quantity = fc.oneof(fc.integer({ min: -2, max: 1_003 }), fc.double(), fc.constant(undefined));
    const properties = { sale: id, sku: id, buyer: name, quantity, idempotencyKey: name };
    // Those of this kind of check, so that many are orders; or those of both, in any company.
    const own = Object.keys({ ...order, quantity, ...more }) as (keyof typeof properties)[];
    const proper = fc.record(Object.fromEntries(own.map((property) => [property, properties[property]])));
    const nearly = fc.oneof(proper, fc.record(properties, { requiredKeys: [] }));
    const wrong = fc.anything({ withBigInt: true, withNullPrototype: true, withObjectString: true });
    const property = fc.constantFrom(
      'sale',
      'sku',
      'buyer',
      'quantity',
      'idempotencyKey',
      'extra',
      '__proto__',
      'toString',
    );

    test('on what is nearly an order', () => {
      let accepted = 0;
      fc.assert(
        fc.property(nearly, (value) => {
          if (bothSay(value)) accepted += 1;
        }),
        runs(2_000),
      );
      expect(accepted).toBeGreaterThan(0);
    });

    test('on orders with one property of any value', () => {
      fc.assert(
        fc.property(property, wrong, (at, value) => {
          const changed: Record<string, unknown> = { ...order };
          defineProperty(changed, at, { value, enumerable: true, configurable: true, writable: true });
          bothSay(changed);
        }),
        runs(2_000),
      );
    });

    test('on anything at all', () => {
      fc.assert(
        fc.property(wrong, (value) => {
          bothSay(value);
        }),
        runs(1_000),
      );
    });
  });
});

describe(seeded('what is known of a body beforehand need not be looked at'), () => {
  const plainText = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 70,
  });
  const odd = fc.constantFrom<unknown>(undefined, null, 7, ['u'], {}, '');

  test('that its strings are printable ASCII, that its SKU is one that there is, or both', () => {
    let accepted = 0;
    const value = fc.record({
      sku: fc.constantFrom('phone', 'A.b_c-9'),
      buyer: fc.oneof({ weight: 8, arbitrary: plainText }, { weight: 1, arbitrary: odd }),
      quantity: fc.oneof(fc.integer({ min: 0, max: 1_001 }), odd),
    });
    fc.assert(
      fc.property(value, (given) => {
        const wanted = orderBody.Check(given);
        if (wanted) accepted += 1;
        expect([
          isOrderBody(given, { sku: true, plain: false }),
          isOrderBody(given, { sku: false, plain: true }),
          isOrderBody(given, { sku: true, plain: true }),
        ]).toEqual([wanted, wanted, wanted]);
      }),
      runs(2_000),
    );
    expect(accepted).toBeGreaterThan(0);
  });

  test('but a strange SKU is seen where it is not known', () => {
    expect(isOrderBody({ sku: 'a b', buyer: 'u' }, { sku: false, plain: true })).toBe(false);
    expect(isOrderBody({ sku: 7, buyer: 'u' }, { sku: false, plain: true })).toBe(false);
  });
});
