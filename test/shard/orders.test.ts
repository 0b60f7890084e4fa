/** The order table against plain objects. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import type { Status } from '../../dist/sale/order-state.js';
import { type NewOrder, OrderTable } from '../../dist/shard/orders.js';
import { runs, seeded } from '../support/random.js';

const orders = fc.record({
  createdAtMs: fc.oneof(fc.nat(), fc.constantFrom(0, 1_800_000_000_000, 8_640_000_000_000_000)),
  buyer: fc.oneof(fc.nat(10), fc.constantFrom(0, 2 ** 24 - 1)),
  row: fc.oneof(fc.nat(10), fc.constantFrom(0, limits.stockRowsMax - 1)),
  quantity: fc.oneof(fc.integer({ min: 1, max: limits.quantityMax }), fc.constant(limits.quantityMax)),
  sequence: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(2 ** 24)),
  status: fc.constantFrom(1, 2, 3, 4),
  durability: fc.nat(2),
});

/** What the table should say of an order. */
interface Expected extends NewOrder {
  nextOfBuyer: number;
  nextHold: number;
}

function read(table: OrderTable, number: number): Expected {
  return {
    createdAtMs: table.createdAtMs(number),
    buyer: table.buyer(number),
    row: table.row(number),
    quantity: table.quantity(number),
    sequence: table.sequence(number),
    status: table.status(number),
    durability: table.durability(number),
    nextOfBuyer: table.nextOfBuyer(number),
    nextHold: table.nextHold(number),
  };
}

describe(seeded('the order table'), () => {
  test('keeps every field of every order, whatever is changed in others', () => {
    const change = fc.record({
      kind: fc.constantFrom('append', 'append', 'status', 'nextOfBuyer', 'nextHold'),
      order: orders,
      at: fc.nat(),
      to: fc.nat(),
      status: fc.constantFrom(1, 2, 3, 4),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const table = new OrderTable(64);
        const model: Expected[] = [];
        for (const { kind, order, at, to, status } of changes) {
          if (kind === 'append' || model.length === 0) {
            const given = order as NewOrder;
            table.append(given);
            model.push({ ...given, nextOfBuyer: -1, nextHold: -1 });
            // The table copied it: the caller reuses the object.
            given.quantity = 999;
          } else {
            const number = at % model.length;
            const next = to % model.length;
            if (kind === 'status') {
              table.setStatus(number, status as Status);
              model[number]!.status = status as Status;
            } else if (kind === 'nextOfBuyer') {
              table.setNextOfBuyer(number, next);
              model[number]!.nextOfBuyer = next;
            } else {
              table.setNextHold(number, next);
              model[number]!.nextHold = next;
            }
          }
          expect(model.map((_, number) => read(table, number))).toEqual(model);
          expect(table.count).toBe(model.length);
        }
      }),
      runs(200),
    );
  });

  test('has the orders it numbered and no others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -3, max: 10 }), (count, number) => {
        const table = new OrderTable(8);
        for (let i = 0; i < count; i++) {
          table.append({
            createdAtMs: 1,
            buyer: 0,
            row: 0,
            quantity: 1,
            sequence: i + 1,
            status: 1,
            durability: 0,
          });
        }
        expect(table.has(number)).toBe(number >= 0 && number < count);
      }),
      runs(100),
    );
  });
});

test('the order table has room for as many orders as it was made for, and asserts it', () => {
  const table = new OrderTable(2);
  const order: NewOrder = {
    createdAtMs: 1,
    buyer: 0,
    row: 0,
    quantity: 1,
    sequence: 1,
    status: 1,
    durability: 0,
  };
  for (let i = 0; i < 2; i++) {
    expect(table.hasRoom()).toBe(true);
    table.append(order);
  }
  expect(table.hasRoom()).toBe(false);
  expect(() => table.append(order)).toThrow('room for an order');
});
