/** A shard beside its model: the whole state of each, every reply, and every hold that would still run out. */

import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { KeyQuery, KeyTable } from '../../dist/memory/key-table.js';
import type { Reply } from '../../dist/memory/records.js';
import { statusName } from '../../dist/sale/order-state.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { restockReference, type ShardState } from '../../dist/shard/state.js';
import { readText, writeText } from '../../dist/text.js';
import type { Request } from '../support/requests.js';
import { type Answer, keyName, type ShardModel } from '../support/shard-model.js';
import { type Action, buyers, keys, rows, saleNumbers } from './model-actions.js';

export function queryOf(
  state: ShardState,
  saleNumber: number,
  buyerName: string | undefined,
  keyText: string,
): KeyQuery {
  const words = new Int32Array(32);
  const bytes = Buffer.from(words.buffer);
  const query: KeyQuery = {
    saleNumber,
    buyerBytes: buyerName === undefined ? 0 : writeText(bytes, 0, buyerName),
    keyBytes: writeText(bytes, 64, keyText),
    hash: 0,
    words,
    buyerAt: 0,
    keyAt: 16,
  };
  state.hashKey(query);
  return query;
}

/** The whole observable state of a shard, in the model's terms. */
function stateOf(state: ShardState, frozen: boolean) {
  const bytes = new Int32Array(16);
  const nameOf = (ref: number) =>
    readText(Buffer.from(bytes.buffer), 0, state.buyers.copyName(ref, bytes, 0));
  const sales = [...state.sales.values()].map(
    ({ number, revision, startsAtMs, endsAtMs, holdMs, spread, ...rest }) => ({
      number,
      revision,
      startsAtMs,
      endsAtMs,
      holdMs,
      spread,
      state: rest.state,
      orders: rest.orders,
      skus: rest.skus,
      frozen: frozen && rest.frozen,
    }),
  );
  return {
    sales: sales.sort((a, b) => a.number - b.number),
    skus: rows.flatMap((row) => {
      const one = state.skus[row];
      if (one === undefined) return [];
      const { revision, limitPerBuyer, sequence, stock } = one;
      return { row, sale: one.sale.number, revision, limit: limitPerBuyer, sequence, stock: { ...stock } };
    }),
    readers: rows.map((row) => state.stock.read(row)),
    orders: Array.from({ length: state.orders.count }, (_, number) => ({
      number,
      sale: state.buyers.saleNumber(state.orders.buyer(number)),
      row: state.orders.row(number),
      buyer: nameOf(state.orders.buyer(number)),
      quantity: state.orders.quantity(number),
      sequence: state.orders.sequence(number),
      createdAtMs: state.orders.createdAtMs(number),
      expiresAtMs: state.expiresAtMs(number),
      durability: state.orders.durability(number),
      reacquired: state.orders.reacquired(number),
      status: statusName(state.orders.status(number)),
    })),
    lists: saleNumbers.flatMap((saleNumber) => buyers.map((name) => listOf(state, saleNumber, name))),
    buyers: state.buyers.count,
    restocks: state.restocks.length,
    keys: saleNumbers.flatMap((saleNumber) =>
      [undefined, ...buyers].flatMap((name) =>
        keys.slice(1).map((text) => {
          const reference = state.keys.find(queryOf(state, saleNumber, name, text));
          if (reference === -1) return undefined;
          if ((reference & restockReference) === 0) return { kind: 'order', number: reference };
          return { kind: 'restock', ...state.restocks[reference & ~restockReference] };
        }),
      ),
    ),
  };
}

/** A buyer's orders by their links, and what he has of each SKU. */
function listOf(state: ShardState, saleNumber: number, name: string) {
  const words = new Int32Array(16);
  const length = writeText(Buffer.from(words.buffer), 0, name);
  const ref = state.buyers.find(state.buyerHash(saleNumber, words, 0, length), saleNumber, words, 0, length);
  if (ref === -1) return { orders: [], purchased: rows.map(() => 0) };
  const orders: number[] = [];
  for (let order = state.buyers.firstOrder(ref); order !== -1; order = state.orders.nextOfBuyer(order)) {
    orders.push(order);
  }
  return { orders, purchased: rows.map((row) => state.buyers.purchased(ref, row)) };
}

function stateOfModel(model: ShardModel, frozen: boolean): ReturnType<typeof stateOf> {
  const skus = [...model.skus.values()].sort((a, b) => a.row - b.row);
  return {
    sales: [...model.sales.values()]
      .sort((a, b) => a.number - b.number)
      .map((one) => ({
        ...one,
        orders: model.orders.filter((order) => order.sale === one.number).length,
        skus: skus.filter((other) => other.sale === one).length,
        frozen: frozen && one.frozen,
      })),
    skus: skus.map(({ row, revision, limit, sale: its }) => ({
      row,
      sale: its.number,
      revision,
      limit,
      sequence: model.sequence(row),
      stock: model.units(row),
    })),
    readers: rows.map((row) =>
      model.skus.has(row) ? model.units(row) : { total: 0, available: 0, held: 0, confirmed: 0 },
    ),
    orders: model.orders.map((order) => ({ ...order })),
    lists: saleNumbers.flatMap((saleNumber) =>
      buyers.map((name) => ({
        orders: model.ordersOf(saleNumber, name).map((order) => order.number),
        purchased: rows.map((row) => model.purchased(saleNumber, name, row)),
      })),
    ),
    buyers: new Set(model.orders.map((order) => `${order.sale} ${order.buyer}`)).size,
    restocks: [...model.keys.values()].filter((use) => use.kind === 'restock').length,
    keys: saleNumbers.flatMap((saleNumber) =>
      [undefined, ...buyers].flatMap((name) =>
        keys.slice(1).map((text) => model.keys.get(keyName(saleNumber, name, text))),
      ),
    ),
  };
}

/** Compares; and available + held + confirmed = total, none of them is negative, and sequences have no gaps. */
export function compare(state: ShardState, model: ShardModel, frozen = true): void {
  const actual = stateOf(state, frozen);
  const wanted = stateOfModel(model, frozen);
  // The matcher explains a difference well but takes its time over finding none.
  if (!isDeepStrictEqual(actual, wanted)) expect(actual).toEqual(wanted);
  for (const { total, available, held, confirmed } of actual.readers) {
    if (available + held + confirmed !== total || Math.min(available, held, confirmed) < 0) {
      expect.fail(`the counters do not add up: ${JSON.stringify({ total, available, held, confirmed })}`);
    }
  }
  for (const row of rows) {
    const sequences = actual.orders.filter((order) => order.row === row).map((order) => order.sequence);
    if (sequences.some((sequence, i) => sequence !== i + 1))
      expect.fail(`row ${row} has sequences ${sequences}`);
  }
}

/** Holds that would still run out, in the order in which they do. Takes them out. */
function drainHolds(state: ShardState): number[] {
  const held: number[] = [];
  for (;;) {
    const number = state.holds.takeDue(Number.MAX_SAFE_INTEGER);
    if (number === -1) return held;
    if (statusName(state.orders.status(number)) === 'held') held.push(number);
  }
}

export function compareHolds(state: ShardState, model: ShardModel): void {
  const held = model.orders.filter((order) => order.status === 'held');
  const next = Math.min(...held.map((order) => order.expiresAtMs), Number.POSITIVE_INFINITY);
  expect(state.holds.nextDeadlineMs).toBeLessThanOrEqual(next);
  expect(drainHolds(state).sort((a, b) => a - b)).toEqual(held.map((order) => order.number));
}

export function compareReply(reply: Reply, answer: Answer): void {
  const { order, outcome } = answer;
  if (reply.outcome !== outcome) expect(outcomeName(reply.outcome)).toBe(outcomeName(outcome));
  if (order === undefined) return;
  const actual = {
    number: reply.orderNumber,
    row: reply.row,
    quantity: reply.quantity,
    sequence: reply.sequence,
    createdAtMs: reply.createdAtMs,
    expiresAtMs: reply.expiresAtMs,
    durability: reply.durability,
    reacquired: reply.reacquired,
    status: statusName(reply.status),
  };
  const wanted = {
    number: order.number,
    row: order.row,
    quantity: order.quantity,
    sequence: order.sequence,
    createdAtMs: order.createdAtMs,
    expiresAtMs: order.expiresAtMs,
    durability: order.durability,
    reacquired: order.reacquired,
    status: order.status,
  };
  if (!isDeepStrictEqual(actual, wanted)) expect(actual).toEqual(wanted);
}

export function outcomeName(outcome: Outcome): string {
  return Object.entries(Outcome).find(([, number]) => number === outcome)?.[0] ?? `${outcome}`;
}

/** The model's answer as of now: its order may change later. */
export function answered(model: ShardModel, request: Request, nowMs: number): Answer {
  const { outcome, order } = model.execute(request, nowMs);
  return order === undefined ? { outcome } : { outcome, order: { ...order } };
}

export function acceptForeignKey(
  model: ShardModel,
  state: ShardState,
  foreign: KeyTable,
  action: Action,
): void {
  if (action.kind !== 'foreign key') return;
  const name = keyName(action.sale, action.buyer, action.key);
  // A key that is ours already is refused over there.
  if (model.foreignKeys.has(name) || model.keys.has(name)) return;
  model.foreignKeys.add(name);
  foreign.insert(queryOf(state, action.sale, action.buyer, action.key), 0);
}

// The first way: commands called directly, sealed batch by batch.
