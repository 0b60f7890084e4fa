/** What is recognised by the way it is written is what JSON.parse and the schema say of it, whatever was learned before. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPlain } from '../../dist/acceptor/body-text.js';
import { OrderShapes } from '../../dist/acceptor/order-shapes.js';
import { parseJson } from '../../dist/acceptor/requests.js';
import { limits } from '../../dist/config.js';
import { isOrderBody } from '../../dist/sale/schema.js';
import { runs, seeded } from '../support/random.js';

/** Names that are taken for something else where quotes are counted carelessly. */
const names = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'sku',
    'buyer',
    'quantity',
    ':',
    ',',
    '":"',
    '\\',
    'probe-1',
    'probe-2',
    '',
    '雷',
  ),
  fc.string({ unit: 'grapheme-ascii', maxLength: limits.buyerBytesMax + 2 }),
);

/** A way of writing: some properties in some sequence, even twice, spaced out by an app's whim. */
const apps = fc.record({
  properties: fc.oneof(
    fc.constantFrom<string[]>(['sku', 'buyer'], ['buyer', 'sku'], ['sku', 'quantity', 'buyer']),
    fc.array(fc.constantFrom<string>('sku', 'buyer', 'quantity'), { minLength: 1, maxLength: 4 }),
  ),
  quantity: fc.constantFrom('1', '1.0', '1e0', '2', '0', '1001', '"1"', 'null'),
  spaces: fc.array(fc.constantFrom('', '', '', ' ', '  ', '\n'), { minLength: 4, maxLength: 4 }),
});

/** Orders, each by one of a few apps. One in a few loses a byte, or has another one there. */
const evenings = fc.record({
  ways: fc.array(apps, { minLength: 4, maxLength: 4 }),
  orders: fc.array(
    fc.record({
      app: fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3),
      sku: fc.oneof(fc.constantFrom('a', 'b'), names),
      buyer: fc.oneof(fc.constantFrom('a', 'u-1'), names),
      damage: fc.option(
        fc.record({ at: fc.nat(60), by: fc.constantFrom('', '"', '\\', '}', 'x', '\0', 'é') }),
        { freq: 4 },
      ),
    }),
    { minLength: 10, maxLength: 60 },
  ),
});

type Evening = typeof evenings extends fc.Arbitrary<infer T> ? T : never;

function textOf({ ways }: Evening, { app, sku, buyer, damage }: Evening['orders'][number]): string {
  const { properties, quantity, spaces } = ways[app]!;
  const [before, colon, after, comma] = spaces;
  const said: Record<string, string> = { sku: JSON.stringify(sku), buyer: JSON.stringify(buyer), quantity };
  const written = properties.map((name) => `"${name}"${colon}:${after}${said[name]!}`);
  const text = `{${before}${written.join(`,${comma}`)}}`;
  return damage === null ? text : text.slice(0, damage.at) + damage.by + text.slice(damage.at + 1);
}

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

/** What the server does with a body. Returns whether it was recognised. */
function meet(shapes: OrderShapes, text: string): boolean {
  const bytes = bytesOf(text);
  if (shapes.recognise(bytes)) return true;
  const body = parseJson(text);
  if (isPlain(bytes) && isOrderBody(body)) shapes.learn(text, body);
  return false;
}

/** Until it has been taken as an example. Returns how many bodies that took. */
function teach(shapes: OrderShapes, text: string): number {
  for (let i = 0; i <= limits.strangeBodiesPerLessonMax; i++) {
    if (meet(shapes, text)) return i;
  }
  throw new Error(`not learned: ${text}`);
}

describe(seeded('a body that is written like one before it'), () => {
  test('is recognised as the order that the parser reads in it, or not at all', () => {
    let recognised = 0;
    fc.assert(
      fc.property(evenings, (evening) => {
        const shapes = new OrderShapes();
        for (const order of evening.orders) {
          const text = textOf(evening, order);
          if (!meet(shapes, text)) continue;
          recognised += 1;
          const body = parseJson(text) as { sku: string; buyer: string; quantity?: number };
          expect(isOrderBody(body, { sku: true, plain: false })).toBe(true);
          const { sku, buyer, quantity } = shapes;
          expect({ sku, buyer, quantity }).toEqual({ ...body, quantity: body.quantity ?? 1 });
        }
      }),
      runs(3_000),
    );
    expect(recognised).toBeGreaterThan(1_000);
  });

  test.each([
    ['the SKU first', (sku: string, buyer: string) => `{"sku":"${sku}","buyer":"${buyer}"}`],
    ['the buyer first', (sku: string, buyer: string) => `{"buyer":"${buyer}","sku":"${sku}"}`],
    ['a quantity', (sku: string, buyer: string) => `{"quantity":3,"sku":"${sku}","buyer":"${buyer}"}`],
    ['spaces', (sku: string, buyer: string) => ` { "sku" : "${sku}" , "buyer" : "${buyer}" } `],
  ])('is recognised with %s, whatever the names', (_, write) => {
    const shapes = new OrderShapes();
    // Names that are a property's, or each other's.
    for (const [sku, buyer] of [
      ['a', 'b'],
      ['same', 'same'],
      ['buyer', 'sku'],
      ['quantity', 'quantity'],
    ] as const) {
      const fresh = new OrderShapes();
      teach(fresh, write(sku, buyer));
      teach(shapes, write(sku, buyer));
      for (const either of [fresh, shapes]) {
        expect(either.recognise(bytesOf(write('x', 'somebody else')))).toBe(true);
        expect([either.sku, either.buyer]).toEqual(['x', 'somebody else']);
      }
    }
  });

  test.each([
    ['probe-1', 'probe-1'],
    ['probe-2', 'probe-2'],
    ['probe-1', 'probe-2'],
    ['probe-2', 'probe-1'],
  ])('is not learned from names that are put in to ask the parser: %s, %s', (sku, buyer) => {
    for (const text of [`{"sku":"${sku}","buyer":"${buyer}"}`, `{"buyer":"${buyer}","sku":"${sku}"}`]) {
      const shapes = new OrderShapes();
      expect(() => teach(shapes, text)).toThrow('not learned');
      teach(shapes, '{"sku":"a","buyer":"b"}');
      expect(shapes.recognise(bytesOf('{"sku":"probe-1","buyer":"probe-1"}'))).toBe(true);
    }
  });

  test('is not recognised with a name that is none, or with anything more', () => {
    const shapes = new OrderShapes();
    const write = (buyer: string) => `{"sku":"a","buyer":"${buyer}"}`;
    teach(shapes, write('b'));
    expect(shapes.recognise(bytesOf(write('c'.repeat(limits.buyerBytesMax))))).toBe(true);
    for (const text of [
      ...[
        '',
        'c'.repeat(limits.buyerBytesMax + 1),
        'é',
        '\u007f',
        '\n',
        '\x1f',
        '\\n',
        'c"',
        'c","quantity":"2',
      ].map(write),
      `${write('c')} `,
      write('c').slice(0, -1),
      '',
    ]) {
      expect({ text, recognised: shapes.recognise(bytesOf(text)) }).toEqual({ text, recognised: false });
    }
  });
});

describe('what is learned', () => {
  const write = (way: number, buyer = 'b') => `{"sku":"a",${' '.repeat(way)}"buyer":"${buyer}"}`;

  test('is as many ways of writing as there is room for, at the same time', () => {
    const shapes = new OrderShapes();
    for (let way = 0; way < limits.orderShapesMax; way++) teach(shapes, write(way));
    for (let i = 0; i < 3; i++) {
      for (let way = 0; way < limits.orderShapesMax; way++)
        expect(meet(shapes, write(way, `u-${i}`))).toBe(true);
    }
  });

  test('stays while it is used, however many strange ones come', () => {
    const shapes = new OrderShapes();
    teach(shapes, write(0));
    for (let way = 1; way < 200; way++) {
      expect(meet(shapes, write(0))).toBe(true);
      for (let i = 0; i < limits.strangeBodiesPerLessonMin; i++) meet(shapes, write(way));
    }
    expect(meet(shapes, write(0))).toBe(true);
  });

  test('is given up for what has come into use', () => {
    const shapes = new OrderShapes();
    for (let way = 0; way < 200; way++) {
      teach(shapes, write(way));
      expect(meet(shapes, write(way, 'c'))).toBe(true);
    }
  });

  test('makes room for new ones though old ones were used long', () => {
    const shapes = new OrderShapes();
    for (let way = 0; way < limits.orderShapesMax; way++) {
      teach(shapes, write(way));
      for (let i = 0; i < 1_000; i++) meet(shapes, write(way));
    }
    const fresh = [limits.orderShapesMax, limits.orderShapesMax + 1];
    for (let i = 0; i < 4 * limits.strangeBodiesPerLessonMin; i++) {
      for (const way of fresh) meet(shapes, write(way));
    }
    for (const way of fresh) expect(meet(shapes, write(way, 'c'))).toBe(true);
  });

  test('is no more than there is room for, and the one used last goes last', () => {
    const shapes = new OrderShapes();
    for (let way = 0; way <= limits.orderShapesMax; way++) {
      expect(meet(shapes, write(0)) || way === 0).toBe(true);
      teach(shapes, write(way));
    }
    const known = Array.from({ length: limits.orderShapesMax + 1 }, (_, way) => way).filter((way) =>
      shapes.recognise(bytesOf(write(way))),
    );
    expect(known).toHaveLength(limits.orderShapesMax);
    expect(known).toContain(0);
  });

  test('is one strange body in so many, and in more while what was learned is of no use', () => {
    const shapes = new OrderShapes();
    expect(teach(shapes, write(0))).toBe(1);
    expect(teach(shapes, write(1))).toBe(limits.strangeBodiesPerLessonMin);
    // Each of another length, and none comes again.
    for (let way = 2; way < 200; way++) {
      for (let i = 0; i < 100; i++)
        meet(shapes, `{"sku":"a",${' '.repeat(way)}"buyer":"b","quantity":${i + 1}}`);
    }
    expect(teach(shapes, write(1))).toBeGreaterThan(8 * limits.strangeBodiesPerLessonMin);
    for (let way = 0; way < 2 * limits.orderShapesMax; way++) teach(shapes, write(way));
    expect(teach(shapes, write(200))).toBeLessThanOrEqual(limits.strangeBodiesPerLessonMin);
  });

  test('is nothing as long as it takes to compare it as to parse it', () => {
    const shapes = new OrderShapes();
    const spaces = limits.recognisedBodyBytesMax - write(0).length;
    teach(shapes, write(spaces));
    for (let more = 1; more <= limits.orderShapesMax; more++) {
      const longer = write(spaces + more);
      for (let i = 0; i <= limits.strangeBodiesPerLessonMin; i++) expect(meet(shapes, longer)).toBe(false);
    }
    expect(shapes.recognise(bytesOf(write(spaces, 'c')))).toBe(true);
    expect(shapes.recognise(bytesOf(write(spaces, 'bb')))).toBe(false);
  });
});
