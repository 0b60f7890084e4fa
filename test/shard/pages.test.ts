/** Memory that was prepared is there: who uses it later does not make the system provide it. */
import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { Status } from '../../dist/sale/order-state.js';
import { SaleState } from '../../dist/sale/phase.js';
import { BuyerTable } from '../../dist/shard/buyers.js';
import { OrderTable } from '../../dist/shard/orders.js';
import { Pages, pageWords } from '../../dist/shard/pages.js';
import { hugePagesForAll, ownFaults } from '../support/faults.js';
import { newState } from './direct-shard.js';
import { onSale, startMs } from './model-actions.js';

const many = 200_000;
/** So large that malloc asks the system for the memory, instead of clearing what it has: 64 MiB a table. */
const room = 2 ** 21;

/** Orders of as many buyers, without an object for any of them. Returns pages that the system provided meanwhile. */
function fill(buyers: BuyerTable, orders: OrderTable): number {
  const name = new Int32Array(4);
  const order = {
    ...{ createdAtMs: 1, buyer: 0, row: 0, quantity: 1, sequence: 1, status: Status.held, durability: 0 },
  };
  const before = ownFaults();
  for (let i = 0; i < many; i++) {
    name[0] = i;
    order.buyer = buyers.insert(Math.imul(i, 0x9e3779b1), 1, name, 0, 16, i, 0, 1);
    orders.append(order);
  }
  return ownFaults() - before;
}

test('tables that were prepared fault for a fraction of what others do', () => {
  const newTables = () => [new BuyerTable(room), new OrderTable(room)] as const;
  const [buyers, orders] = newTables();
  for (let left = true; left; ) {
    const pages = orders.prepare(many, 64);
    left = pages + buyers.prepare(many, 64 - pages) === 64;
  }
  // 32 bytes of an order, 32 of a buyer and 16 of his name, beside the slots.
  const pages = (many * 80) / 4_096;
  // Some may come by several at a time, or have been used before.
  if (!hugePagesForAll()) expect(fill(...newTables())).toBeGreaterThan(pages / 4);
  expect(fill(buyers, orders)).toBeLessThan(pages / 10);
});

test('pages are touched once each, after what is in use, and within their bounds', () => {
  const words = new Int32Array(10 * pageWords);
  const pages = new Pages(words);
  words.fill(7, 0, 1_500);
  expect(pages.touch(1_500, 1_600, 9)).toBe(0);
  expect(pages.touch(1_500, 5 * pageWords + 1, 2)).toBe(2);
  words.fill(7, 1_500, 5_000);
  expect(pages.touch(5_000, 5 * pageWords + 1, 9)).toBe(1);
  expect(pages.touch(5_000, 5 * pageWords + 1, 9)).toBe(0);
  expect(pages.touch(5_000, 10 * pageWords, 9)).toBe(4);
  expect(words.subarray(0, 5_000).every((word) => word === 7)).toBe(true);
  expect(words.subarray(5_000).every((word) => word === 0)).toBe(true);
});

describe('a shard prepares', () => {
  const roomForAll = 2 * limits.preparedOrdersMax;

  /** Shares it takes where a SKU of each of some sales has so many units; sale number 3 has ended. */
  function sharesFor(room: number, ...stocks: readonly number[]): number {
    const state = newState(room);
    for (const [i, total] of stocks.entries()) {
      state.define({
        ...{ row: i, revision: 1, saleNumber: i + 1, total, limitPerBuyer: 0, holdSeconds: 0 },
        ...{ startsAtMs: 0, endsAtMs: Number.POSITIVE_INFINITY, spread: false },
        state: i + 1 === 3 ? SaleState.ended : onSale.state,
      });
    }
    let shares = 1;
    while (!state.prepare(startMs)) shares += 1;
    // Once it is through it stays through.
    expect(state.prepare(startMs)).toBe(true);
    return shares;
  }

  /** At least 80 bytes an order, and at most twice as many with the slots; the last share may find nothing. */
  function expectSharesFor(orders: number, shares: number): void {
    const certain = (orders * 80) / 4_096 / limits.preparedPagesMax;
    expect(shares).toBeGreaterThan(certain);
    expect(shares).toBeLessThanOrEqual(Math.ceil(2 * certain) + 1);
  }

  test('for one order per unit that is left of all sales that are not over, share by share', () => {
    expectSharesFor(100_000, sharesFor(roomForAll, 60_000, 40_000, 1_000_000));
    expect(sharesFor(roomForAll, 10)).toBe(1);
    expect(sharesFor(roomForAll)).toBe(1);
  });

  test('for no more orders than it has room for, and than its limit', () => {
    expectSharesFor(50_000, sharesFor(50_000, limits.stockMax, limits.stockMax));
    expectSharesFor(limits.preparedOrdersMax, sharesFor(roomForAll, limits.stockMax));
  });
});
