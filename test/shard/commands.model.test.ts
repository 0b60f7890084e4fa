/**
 * Everything a shard does, against the model of test/support/shard-model.ts: random commands over a few sales, SKUs,
 * buyers and keys, so that they collide. After each group of commands every answer and every counter is compared, and
 * in the end a state rebuilt from the journal. Once with commands called directly, once through rings, loop and store.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { durabilities } from '../../dist/config.js';
import { Counters, ShardCount } from '../../dist/memory/counters.js';
import { type KeyQuery, KeyTable } from '../../dist/memory/key-table.js';
import { replyLayout, requestLayout } from '../../dist/memory/layout.js';
import { type Reply, readReply } from '../../dist/memory/records.js';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { allocateSharedMemory, type SharedMemory } from '../../dist/memory/shared-memory.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { ShardState as Lifecycle, ThreadTable } from '../../dist/memory/thread-table.js';
import { statusName } from '../../dist/sale/order-state.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { SaleState } from '../../dist/sale/phase.js';
import { Commands } from '../../dist/shard/commands.js';
import { ShardLoop } from '../../dist/shard/loop.js';
import { lanes } from '../../dist/shard/order-commands.js';
import { applyCommit } from '../../dist/shard/recover.js';
import { restockReference, ShardState } from '../../dist/shard/state.js';
import { Batch, commitLayout } from '../../dist/store/batch.js';
import { type ChainHead, follow, genesisHash } from '../../dist/store/chain.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { readText, writeText } from '../../dist/text.js';
import { type Runs, runs, seeded } from '../support/random.js';
import {
  type Define,
  type Place,
  type Request,
  type Restock,
  singleRecord,
  writeRequest,
} from '../support/requests.js';
import { type Answer, type ForeignState, keyName, ShardModel } from '../support/shard-model.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';
import { Threads } from '../support/threads.js';
import { within } from '../support/until.js';

const startMs = 1_800_000_000_000;

const keysMax = 256;
const hashSeed = 0x5eed;
const storeId = '0123456789abcdef0123456789abcdef';

const saleNumbers = [1, 2];
const skusPerSale = 3;
const buyers = ['u-1', '雷鸟', 'b'.repeat(64)];
const keys = ['', 'k', 'key-2', 'k'.repeat(64)];
const rows = saleNumbers.flatMap((sale) => [0, 1, 2].map((i) => rowOf(sale, i)));

function rowOf(sale: number, sku: number): number {
  return (sale - 1) * skusPerSale + sku;
}

// What may happen, without the numbers that only the run knows.

interface PlaceAction {
  readonly kind: 'place';
  readonly sale: number;
  readonly sku: number;
  readonly buyer: string;
  readonly quantity: number;
  readonly key: string;
  /** How far the revision it is made for is from the one that the shard knows. */
  readonly revisionOff: number;
}

interface SkuGiven {
  readonly stock: number;
  readonly limit: number;
}

type Action =
  | PlaceAction
  | { readonly kind: 'confirm' | 'cancel' | 'read'; readonly pick: number }
  /** A client that did not hear the answer sends an order or a restock again. */
  | { readonly kind: 'repeat'; readonly pick: number }
  | { readonly kind: 'list'; readonly sale: number; readonly buyer: string; readonly pick: number }
  | {
      readonly kind: 'restock';
      readonly sale: number;
      readonly sku: number;
      readonly quantity: number;
      readonly key: string;
      readonly revisionOff: number;
    }
  | { readonly kind: 'control'; readonly sale: number; readonly state: SaleState }
  | {
      readonly kind: 'put';
      readonly sale: number;
      /** By SKU; undefined leaves it out. */
      readonly skus: readonly (SkuGiven | undefined)[];
      readonly holdSeconds: number;
      readonly startsInMs: number;
      readonly lastsMs: number;
      readonly spread: boolean;
      /** Orders that arrive while the sale is being replaced. */
      readonly meanwhile: readonly PlaceAction[];
      /** Whether time passes while it is. */
      readonly slow: boolean;
    }
  | {
      readonly kind: 'freeze';
      readonly sale: number;
      readonly meanwhile: readonly PlaceAction[];
      readonly slow: boolean;
    }
  | { readonly kind: 'redefine'; readonly sale: number }
  | {
      readonly kind: 'foreign key';
      readonly sale: number;
      readonly buyer: string | undefined;
      readonly key: string;
    }
  | { readonly kind: 'foreign state'; readonly state: ForeignState };

const sale = fc.constantFrom(...saleNumbers);
const sku = fc.nat(skusPerSale - 1);
const buyer = fc.constantFrom(...buyers);
const key = fc.constantFrom(...keys);
const revisionOff = fc.nat(30).map((n) => (n === 29 ? -1 : n === 30 ? 1 : 0));
const place: fc.Arbitrary<PlaceAction> = fc.record({
  kind: fc.constant('place' as const),
  sale,
  sku,
  buyer,
  quantity: fc.constantFrom(1, 1, 1, 2, 3, 1_000),
  key,
  revisionOff,
});
const meanwhile = fc.array(place, { maxLength: 6 });
const skuGiven = fc.record({ stock: fc.nat(9), limit: fc.constantFrom(0, 0, 1, 2, 5) });
const ordinary: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: place },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('confirm' as const, 'cancel' as const, 'read' as const),
      pick: fc.nat(40),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('repeat' as const), pick: fc.nat(40) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('list' as const), sale, buyer, pick: fc.nat(40) }),
  },
);
const operators: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('restock' as const),
      sale,
      sku,
      quantity: fc.constantFrom(-1_000, -2, -1, 1, 1, 3, 2_000_000_000),
      key,
      revisionOff,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('control' as const),
      sale,
      state: fc.constantFrom(...[0, 0, 0, 0, 1, 1, 2].map((state) => state as SaleState)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      sale,
      skus: fc
        .array(fc.option(skuGiven, { nil: undefined, freq: 5 }), { minLength: 3, maxLength: 3 })
        .filter((list) => list.some((one) => one !== undefined)),
      holdSeconds: fc.nat(2),
      startsInMs: fc.constantFrom(-100, 0, 0, 1, 300, 1_500),
      lastsMs: fc.constantFrom(
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        4_000,
      ),
      spread: fc.boolean(),
      meanwhile,
      slow: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('freeze' as const), sale, meanwhile, slow: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('redefine' as const), sale }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('foreign key' as const),
      sale,
      buyer: fc.option(buyer, { nil: undefined }),
      key: fc.constantFrom(...keys.slice(1)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('foreign state' as const),
      state: fc.constantFrom<ForeignState>('open', 'open', 'gone', 'rebuilding'),
    }),
  },
);
const anyAction = fc.oneof({ weight: 3, arbitrary: ordinary }, { weight: 1, arbitrary: operators });
const waitMs = fc.constantFrom(0, 0, 0, 1, 100, 299, 1_000, 1_001, 2_500);

/** The engine's side: what it has told the shard of each sale. */
class Operator {
  readonly #defined = new Map<number, Define[]>();
  readonly #states = new Map<number, SaleState>();
  /** Orders and restocks so far. */
  readonly #sent: (Place | Restock)[] = [];
  #lastRevision = 0;
  /** The rest of a change to a sale that is under way. There is one at a time. */
  #rest: ((removing: boolean) => Request[]) | undefined = undefined;

  /** The requests that an action means now. */
  requestsOf(action: Action, model: ShardModel, nowMs: number): Request[] {
    return this.#remember(this.#requestsOf(action, model, nowMs));
  }

  /**
   * The requests that finish the change under way. After a restart only definitions are sent, those of the catalogue:
   * what was to be removed is forgotten.
   */
  finish(removing = true): Request[] {
    const rest = this.#rest;
    this.#rest = undefined;
    return this.#remember(rest?.(removing) ?? []);
  }

  #remember(requests: Request[]): Request[] {
    for (const one of requests) if (one.op === 'place' || one.op === 'restock') this.#sent.push(one);
    return requests;
  }

  #requestsOf(action: Action, model: ShardModel, nowMs: number): Request[] {
    switch (action.kind) {
      case 'place':
        return [this.#place(action)];
      case 'confirm':
      case 'cancel':
      case 'read':
        // One in a while is nobody's.
        return [{ op: action.kind, number: action.pick % (model.orders.length + 1) }];
      case 'repeat': {
        const again = this.#sent[this.#sent.length - 1 - (action.pick % (this.#sent.length + 1))];
        return again === undefined ? [] : [again];
      }
      case 'list': {
        const known = model.ordersOf(action.sale, action.buyer);
        const after = known[action.pick % (known.length + 1)]?.number ?? -1;
        return [{ op: 'nextOfBuyer', sale: action.sale, buyer: action.buyer, after }];
      }
      case 'restock': {
        const { quantity, key: restockKey } = action;
        {
          const revision = (this.#defined.get(action.sale)?.[0]?.revision ?? 0) + action.revisionOff;
          return [
            { op: 'restock', row: rowOf(action.sale, action.sku), revision, quantity, key: restockKey },
          ];
        }
      }
      case 'control':
        if (this.#rest !== undefined || !this.#defined.has(action.sale)) return [];
        this.#states.set(action.sale, action.state);
        return [{ op: 'control', sale: action.sale, state: action.state }];
      case 'redefine':
        if (this.#rest !== undefined) return [];
        return (this.#defined.get(action.sale) ?? []).map((one) => ({
          ...one,
          state: this.#states.get(action.sale) ?? SaleState.running,
        }));
      case 'freeze':
        if (this.#rest !== undefined || !this.#defined.has(action.sale)) return [];
        this.#rest = () => [{ op: 'unfreeze', sale: action.sale }];
        return [
          { op: 'freeze', sale: action.sale },
          ...action.meanwhile.map((one) => this.#place(one)),
          ...(action.slow ? [] : this.finish()),
        ];
      case 'put':
        return this.#rest === undefined ? this.#put(action, model, nowMs) : [];

      case 'foreign key':
      case 'foreign state':
        return [];
    }
  }

  #place(action: PlaceAction): Place {
    const { quantity, key: placeKey, buyer: placeBuyer } = action;
    const revision = (this.#defined.get(action.sale)?.[0]?.revision ?? 0) + action.revisionOff;
    const row = rowOf(action.sale, action.sku);
    return { op: 'place', row, revision, quantity, buyer: placeBuyer, key: placeKey };
  }

  /** As the engine does it: freeze, remove, then the catalogue changes hands, then define. */
  #put(action: Extract<Action, { kind: 'put' }>, model: ShardModel, nowMs: number): Request[] {
    const orders = [...action.meanwhile];
    const someOrders = () => orders.splice(0, 2).map((one) => this.#place(one));
    const before = this.#defined.get(action.sale);
    const startsAtMs = nowMs + action.startsInMs;
    this.#rest = (removing) => {
      const requests: Request[] = [];
      for (const { row } of before ?? []) {
        if (removing && action.skus[row % skusPerSale] === undefined) {
          requests.push({ op: 'remove', row }, ...someOrders());
        }
      }
      const definitions = this.#definitions(action, startsAtMs);
      this.#defined.set(action.sale, definitions);
      for (const one of definitions) requests.push(one, ...someOrders());
      return requests;
    };
    if (before === undefined) return this.finish();
    const { state, startsAtMs: opensAtMs } = model.sales.get(action.sale)!;
    if (state === SaleState.ended || nowMs >= opensAtMs) {
      this.#rest = () => [{ op: 'unfreeze', sale: action.sale }];
    }
    return [{ op: 'freeze', sale: action.sale }, ...someOrders(), ...(action.slow ? [] : this.finish())];
  }

  #definitions(action: Extract<Action, { kind: 'put' }>, startsAtMs: number): Define[] {
    this.#lastRevision += 1;
    const definitions: Define[] = [];
    for (const [i, given] of action.skus.entries()) {
      if (given === undefined) continue;
      definitions.push({
        op: 'define',
        row: rowOf(action.sale, i),
        sale: action.sale,
        revision: this.#lastRevision,
        total: given.stock,
        limit: given.limit,
        holdSeconds: action.holdSeconds,
        startsAtMs,
        endsAtMs: startsAtMs + action.lastsMs,
        state: this.#states.get(action.sale) ?? SaleState.running,
        spread: action.spread,
      });
    }
    return definitions;
  }
}

// What is compared.

function queryOf(
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

/** Compares, and holds promise 1: the counters add up, are never negative, and sequences have no gaps. */
function compare(state: ShardState, model: ShardModel, frozen = true): void {
  const actual = stateOf(state, frozen);
  const wanted = stateOfModel(model, frozen);
  // The matcher explains a difference well but takes its time over finding none.
  if (!isDeepStrictEqual(actual, wanted)) expect(actual).toEqual(wanted);
  for (const { total, available, held, confirmed } of actual.readers) {
    if (available + held + confirmed !== total || Math.min(available, held, confirmed) < 0) {
      expect.fail(`promise 1: ${JSON.stringify({ total, available, held, confirmed })}`);
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

function compareHolds(state: ShardState, model: ShardModel): void {
  const held = model.orders.filter((order) => order.status === 'held');
  const next = Math.min(...held.map((order) => order.expiresAtMs), Number.POSITIVE_INFINITY);
  expect(state.holds.nextDeadlineMs).toBeLessThanOrEqual(next);
  expect(drainHolds(state).sort((a, b) => a - b)).toEqual(held.map((order) => order.number));
}

function compareReply(reply: Reply, answer: Answer): void {
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

function outcomeName(outcome: Outcome): string {
  return Object.entries(Outcome).find(([, number]) => number === outcome)?.[0] ?? `${outcome}`;
}

/** The model's answer as of now: its order may change later. */
function answered(model: ShardModel, request: Request, nowMs: number): Answer {
  const { outcome, order } = model.execute(request, nowMs);
  return order === undefined ? { outcome } : { outcome, order: { ...order } };
}

function acceptForeignKey(model: ShardModel, state: ShardState, foreign: KeyTable, action: Action): void {
  if (action.kind !== 'foreign key') return;
  const name = keyName(action.sale, action.buyer, action.key);
  // A key that is ours already is refused over there.
  if (model.foreignKeys.has(name) || model.keys.has(name)) return;
  model.foreignKeys.add(name);
  foreign.insert(queryOf(state, action.sale, action.buyer, action.key), 0);
}

// The first way: commands called directly, sealed batch by batch.

class DirectShard {
  readonly foreign = new KeyTable(KeyTable.allocate(keysMax), keysMax);
  readonly state: ShardState;
  readonly records: Buffer[] = [];
  readonly #batch = new Batch();
  readonly #requests = Array.from({ length: lanes }, singleRecord);
  readonly #commands: Commands;
  readonly #head: ChainHead = { number: 0, hash: genesisHash(storeId, 0), nextSequence: 1, timeMs: 0 };

  constructor(model: ShardModel) {
    this.state = newState(model.ordersMax);
    this.state.open();
    this.#commands = new Commands({
      state: this.state,
      batch: this.#batch,
      durability: 0,
      foreign: [
        {
          keys: this.foreign,
          wholeSince: () => (model.foreignState === 'rebuilding' ? 0 : 1),
          isOpen: () => model.foreignState === 'open',
        },
      ],
    });
    for (const { bytes } of this.#requests) bytes.fill(0xee);
  }

  /** What the loop does at the start of a turn. */
  expire(nowMs: number): void {
    for (;;) {
      const number = this.state.holds.takeDue(nowMs);
      if (number === -1) break;
      if (statusName(this.state.orders.status(number)) === 'held') this.#commands.orders.expire(number);
    }
    this.state.publishStock();
  }

  /** A group as the loop takes it from a ring: all looked ahead at, then executed one by one. */
  execute(group: readonly { request: Request; answer: Answer }[], nowMs: number): void {
    for (const [lane, { request }] of group.entries()) {
      const record = this.#requests[lane]!;
      writeRequest(record, 0, request, lane, 0);
      this.#commands.orders.lookAhead(lane, record.words, 0);
    }
    this.#commands.orders.prefetch(group.length);
    for (const [lane, { request, answer }] of group.entries()) {
      const { words, doubles } = this.#requests[lane]!;
      const { state } = this;
      const before = [this.#batch.count, state.orders.count, state.buyers.count, state.restocks.length];
      const urgency = this.#commands.execute(lane, words, doubles, 0, nowMs);
      compareReply(this.#commands.reply, answer);
      const promised = answer.outcome === Outcome.done || answer.outcome === Outcome.replayed;
      // Whatever promises something waits for the commit; a refused order promises nothing, and left nothing.
      if (request.op === 'place') expect(urgency).toBe(promised ? 'after commit' : 'at once');
      if (request.op === 'place' && !promised) {
        expect([this.#batch.count, state.orders.count, state.buyers.count, state.restocks.length]).toEqual(
          before,
        );
      }
    }
    this.state.publishStock();
  }

  /** Seals what the step wrote. Its entries have one time, so a batch never outlives a step. */
  seal(timeMs: number): void {
    if (this.#batch.count === 0) return;
    const head = this.#head;
    const record = Buffer.from(this.#batch.seal(head.number + 1, timeMs, head.nextSequence, head.hash));
    head.number += 1;
    head.nextSequence += this.#batch.count;
    head.hash = Buffer.from(record.subarray(commitLayout.hash, commitLayout.hash + 32));
    this.records.push(record);
    this.#batch.clear();
  }
}

function newState(ordersMax: number): ShardState {
  return new ShardState({
    ordersMax,
    keys: new KeyTable(KeyTable.allocate(keysMax), keysMax),
    stock: new StockTable(StockTable.allocate()),
    hashSeed,
  });
}

function rebuilt(records: readonly Buffer[], ordersMax: number): ShardState {
  const state = newState(ordersMax);
  const head: ChainHead = { number: 0, hash: genesisHash(storeId, 0), nextSequence: 1, timeMs: 0 };
  for (const record of records) applyCommit(state, follow(head, record));
  state.checkCounters();
  state.open();
  return state;
}

describe(seeded('commands called directly'), () => {
  const step = fc.record({
    waitMs,
    actions: fc.array(anyAction, { minLength: 1, maxLength: 5 }),
    /** Whether holds are looked through first; if not, their own deadlines must do. */
    expire: fc.boolean(),
    group: fc.constantFrom(1, 2, 5, lanes),
  });
  /** Orders at most: now and then so few that the table fills. */
  const orders = fc.constantFrom(4, 60, 60);
  // A sale or two to start with, so that most of a run is not about SKUs that do not exist.
  const opening = fc.array(
    operators.filter((action) => action.kind === 'put'),
    { minLength: 1, maxLength: 3 },
  );

  /** Runs from a seed; returns every answer that was met. */
  function answersMet(parameters: Runs): ReadonlySet<string> {
    const seen = new Set<string>();
    const property = fc.property(
      opening,
      fc.array(step, { maxLength: 30, size: 'max' }),
      orders,
      (first, steps, ordersMax) => {
        const model = new ShardModel(ordersMax);
        const shard = new DirectShard(model);
        const operator = new Operator();
        let nowMs = startMs;
        for (const one of [{ waitMs: 0, actions: first, expire: false, group: 1 }, ...steps]) {
          nowMs += one.waitMs;
          if (one.expire) {
            model.expireAll(nowMs);
            shard.expire(nowMs);
            compare(shard.state, model);
          }
          let group: { request: Request; answer: Answer }[] = [];
          const flush = () => {
            shard.execute(group, nowMs);
            compare(shard.state, model);
            group = [];
          };
          const execute = (requests: readonly Request[]) => {
            for (const request of requests) {
              const answer = answered(model, request, nowMs);
              seen.add(`${request.op} ${outcomeName(answer.outcome)}`);
              if (answer.order?.reacquired) seen.add(`${request.op} reacquired`);
              group.push({ request, answer });
              if (group.length === one.group) flush();
            }
          };
          execute(operator.finish());
          for (const action of one.actions) {
            execute(operator.requestsOf(action, model, nowMs));
            // Between groups only: a group is executed after the model has gone through it.
            if (action.kind.startsWith('foreign')) {
              flush();
              if (action.kind === 'foreign state') model.foreignState = action.state;
              acceptForeignKey(model, shard.state, shard.foreign, action);
            }
          }
          flush();
          shard.seal(nowMs);
        }
        const again = rebuilt(shard.records, ordersMax);
        compare(again, model, false);
        compareHolds(again, model);
        compareHolds(shard.state, model);
      },
    );
    fc.assert(property, parameters);
    return seen;
  }

  test('answer and count as the model does, and the journal leads to the same state', () => {
    answersMet(runs(100));
  });

  test('with every answer that the contract knows, so that the generator tests what it says', () => {
    // A seed that never changes: a fresh one may miss what is rare.
    const seen = answersMet({ seed: 1, numRuns: 200 });
    expect([...everyAnswer].filter((answer) => !seen.has(answer))).toEqual([]);
  });

  const everyAnswer = new Set([
    'place done',
    'place replayed',
    'place soldOut',
    'place insufficientStock',
    'place limitReached',
    'place notStarted',
    'place paused',
    'place ended',
    'place idempotencyConflict',
    'place staleDefinition',
    'place overloaded',
    'place shardRecovering',
    'confirm done',
    'confirm replayed',
    'confirm orderNotFound',
    'confirm expiredForGood',
    'confirm reacquired',
    'confirm orderCancelled',
    'cancel done',
    'cancel replayed',
    'cancel orderNotFound',
    'cancel orderExpired',
    'cancel orderConfirmed',
    'read done',
    'read orderNotFound',
    'nextOfBuyer done',
    'nextOfBuyer none',
    'restock done',
    'restock replayed',
    'restock staleDefinition',
    'restock ended',
    'restock insufficientStock',
    'restock invalidRequest',
    'restock idempotencyConflict',
    'restock shardRecovering',
    'define done',
    'define replayed',
    'remove done',
    'control done',
    'control replayed',
    'freeze done',
    'freeze saleOpen',
    'unfreeze done',
  ]);
});

// The second way: over rings, loop and store, with several lives on one data folder.

const acceptors = 2;
const ringCapacity = 16;
const flushDelayMs = 1_000;
/** Requests that a change to a sale makes at most, the orders in between included. */
const changeMax = 13;

/** A shard as service.ts puts it together, but turned by hand and with a clock of the test's. */
class LoopShard {
  readonly state: ShardState;
  readonly foreign: KeyTable;
  readonly memory: SharedMemory;
  readonly loop: ShardLoop;
  readonly store: ShardStore;
  readonly requests: RingProducer[];
  readonly replies: RingConsumer[];

  private constructor(options: {
    state: ShardState;
    keyTables: readonly KeyTable[];
    memory: SharedMemory;
    store: ShardStore;
    durability: number;
    clock: () => number;
  }) {
    const { state, keyTables, memory, store, durability, clock } = options;
    this.state = state;
    this.foreign = keyTables[1]!;
    this.memory = memory;
    this.store = store;
    const threads = new ThreadTable(memory.threads, memory.shards);
    threads.begin(1);
    threads.setKeysWhole(1);
    threads.setState(1, Lifecycle.open);
    const batch = new Batch();
    const commands = new Commands({
      state,
      batch,
      durability,
      foreign: [
        {
          keys: this.foreign,
          wholeSince: () => threads.keysWholeSince(1),
          isOpen: () => threads.state(1) === Lifecycle.open,
        },
      ],
    });
    this.loop = new ShardLoop({ shard: 0, memory, state, commands, batch, store, clock });
    this.requests = memory.requests.map((rings) => new RingProducer(rings[0]!, requestLayout.bytes));
    this.replies = memory.replies.map((rings) => new RingConsumer(rings[0]!, replyLayout.bytes));
  }

  static async open(options: {
    path: string;
    durability: number;
    clock: () => number;
    inFlightMax?: number;
  }): Promise<LoopShard> {
    const { inFlightMax = ringCapacity } = options;
    const memory = allocateSharedMemory({ shards: 2, acceptors, inFlightMax, keysPerShardMax: keysMax });
    const keyTables = memory.keys.map((buffer) => new KeyTable(buffer, keysMax));
    const state = new ShardState({
      ordersMax: 60,
      keys: keyTables[0]!,
      stock: new StockTable(memory.stock),
      hashSeed,
    });
    const store = await ShardStore.open(
      {
        path: options.path,
        storeId,
        shard: 0,
        durability: durabilities[options.durability]!,
        existing: false,
        flushDelayMs,
      },
      (commit) => applyCommit(state, commit),
    );
    state.checkCounters();
    state.open();
    return new LoopShard({ ...options, state, keyTables, memory, store });
  }
}

/** What is on its way through the rings, acceptor by acceptor, and what should come back. */
class Traffic {
  readonly #model: ShardModel;
  readonly #shard: LoopShard;
  readonly #capacity: number;
  readonly #sent: Request[][] = [[], []];
  readonly #expected = new Map<number, { answer: Answer; buyer: string }>();
  /** By acceptor: replies that nobody has drained. */
  readonly #undrained = [0, 0];
  #slot = 0;
  #slots: number[][] = [[], []];
  #first = 0;

  constructor(model: ShardModel, shard: LoopShard) {
    this.#model = model;
    this.#shard = shard;
    this.#capacity = shard.requests[0]!.capacity;
  }

  hasRoom(acceptor: number): boolean {
    return this.#sent[acceptor]!.length < this.#capacity;
  }

  /** Whether that many requests would be taken in one turn. */
  hasRoomForReplies(acceptor: number, count: number): boolean {
    return this.#capacity - this.#undrained[acceptor]! >= count;
  }

  isEmpty(acceptor: number): boolean {
    return this.#sent[acceptor]!.length === 0;
  }

  send(acceptor: number, request: Request): void {
    const ring = this.#shard.requests[acceptor]!;
    const at = ring.claim();
    expect(at).not.toBe(-1);
    const slot = this.#slot++;
    writeRequest(ring, at, request, slot, ~slot);
    this.#sent[acceptor]!.push(request);
    this.#slots[acceptor]!.push(slot);
  }

  /** A turn of the loop, and of the model: acceptors take turns to be first, and room for replies bounds a batch. */
  turn(nowMs: number): void {
    for (const ring of this.#shard.requests) ring.publish();
    let taken = 0;
    const due = this.#model.orders.some((order) => order.status === 'held' && order.expiresAtMs <= nowMs);
    this.#model.expireAll(nowMs);
    for (let i = 0; i < acceptors; i++) {
      const acceptor = (this.#first + i) % acceptors;
      const sent = this.#sent[acceptor]!;
      const count = Math.min(sent.length, this.#capacity - this.#undrained[acceptor]!);
      for (const request of sent.splice(0, count)) {
        const slot = this.#slots[acceptor]!.shift()!;
        const answer = answered(this.#model, request, nowMs);
        // Who asks for an order by its number may not know whose it is.
        const named = ['confirm', 'cancel', 'read', 'nextOfBuyer'].includes(request.op);
        this.#expected.set(slot, { answer, buyer: named ? (answer.order?.buyer ?? '') : '' });
      }
      this.#undrained[acceptor]! += count;
      taken += count;
    }
    this.#first = (this.#first + 1) % acceptors;
    const worked = this.#shard.loop.turn();
    if (taken > 0 || due) expect(worked).toBe(true);
    for (const [acceptor, ring] of this.#shard.requests.entries()) {
      expect(ring.capacity - ring.free()).toBe(this.#sent[acceptor]!.length);
    }
  }

  /** Takes an acceptor's replies: as many as requests were taken, each the one that was asked for. */
  drain(acceptor: number): void {
    const ring = this.#shard.replies[acceptor]!;
    const count = ring.waiting();
    expect(count).toBe(this.#undrained[acceptor]);
    const reply = {} as Reply;
    for (let i = 0; i < count; i++) {
      const at = ring.at(i);
      readReply(ring.words, ring.doubles, at, reply);
      const slot = ring.words[at + replyLayout.slot]!;
      expect(ring.words[at + replyLayout.generation]).toBe(~slot);
      const expected = this.#expected.get(slot);
      expect(expected).toBeDefined();
      this.#expected.delete(slot);
      compareReply(reply, expected!.answer);
      const buyerBytes = ring.words[at + replyLayout.buyerBytes]!;
      expect(readText(ring.bytes, (at + replyLayout.buyer) * 4, buyerBytes)).toBe(expected!.buyer);
    }
    ring.release(count);
    this.#undrained[acceptor] = 0;
  }
}

describe(seeded('a shard turned by its loop, over rings and a store'), () => {
  const folder = makeTempDir();
  afterAll(() => removeTempDir(folder));
  let folders = 0;

  const turn = fc.record({
    waitMs,
    /** By acceptor. Operators speak through the first. */
    actions: fc.tuple(
      fc.array(anyAction, { maxLength: 6 }),
      fc.array(ordinary, { maxLength: 10, size: 'max' }),
    ),
    /** Which acceptors take their replies. */
    drains: fc.tuple(fc.nat(2), fc.nat(2)).map((drains) => drains.map((n) => n > 0)),
  });
  const life = fc.record({
    /** fsync or commit. */
    durability: fc.nat(1),
    turns: fc.array(turn, { maxLength: 12, size: 'max' }),
    crashes: fc.boolean(),
    /** The wall clock may have been set back while nobody was running. */
    clockBackMs: fc.constantFrom(0, 0, 5_000),
  });

  test('answers and counts as the model does, also after closing and after crashes', async () => {
    const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
      const model = new ShardModel(60);
      const operator = new Operator();
      let path = join(folder, `${folders++}`);
      let clockMs = startMs;
      let nowMs = 0;
      for (const { durability, turns, crashes, clockBackMs } of lives) {
        model.durability = durability;
        model.foreignState = 'open';
        // Freezing is not journalled: the engine that asked for it is gone as well.
        for (const one of model.sales.values()) one.frozen = false;
        const shard = await LoopShard.open({ path, durability, clock: () => clockMs });
        let lastCommitMs = shard.store.lastTimeMs;
        expect(lastCommitMs).toBeLessThanOrEqual(nowMs);
        nowMs = lastCommitMs;
        for (const name of model.foreignKeys) {
          const [saleNumber, buyerName, text] = JSON.parse(name) as [number, string | null, string];
          shard.foreign.insert(queryOf(shard.state, saleNumber, buyerName ?? undefined, text), 0);
        }
        compare(shard.state, model);
        const traffic = new Traffic(model, shard);
        // A change that was cut off is finished as the engine does it when it starts.
        for (const request of operator.finish(false)) traffic.send(0, request);
        const threads = new ThreadTable(shard.memory.threads, shard.memory.shards);
        for (const one of turns) {
          clockMs += one.waitMs;
          nowMs = Math.max(nowMs, clockMs);
          // A change to a sale is one piece here, in a ring of its own: whether it goes on depends on its freezing.
          const whole = () => traffic.isEmpty(0) && traffic.hasRoomForReplies(0, changeMax);
          if (whole()) for (const request of operator.finish()) traffic.send(0, request);
          for (const [acceptor, actions] of one.actions.entries()) {
            for (const action of actions) {
              const change = ['put', 'freeze', 'redefine'].includes(action.kind);
              if (change ? !whole() : !traffic.hasRoom(acceptor)) continue;
              for (const request of operator.requestsOf(action, model, nowMs))
                traffic.send(acceptor, request);
              // What is under way to the shard was decided on before.
              if (!traffic.isEmpty(0) || !traffic.isEmpty(1)) continue;
              if (action.kind === 'foreign state') {
                model.foreignState = action.state;
                if (action.state === 'rebuilding') threads.begin(1);
                else threads.setKeysWhole(1);
                threads.setState(1, action.state === 'open' ? Lifecycle.open : Lifecycle.recovering);
              }
              acceptForeignKey(model, shard.state, shard.foreign, action);
            }
          }

          traffic.turn(nowMs);
          compare(shard.state, model);
          for (const [acceptor, drains] of one.drains.entries()) if (drains) traffic.drain(acceptor);
          lastCommitMs = shard.store.lastTimeMs;
        }
        // What was sent is answered before the end: a request in a ring has no life after its shard.
        while (!traffic.isEmpty(0) || !traffic.isEmpty(1)) {
          traffic.drain(0);
          traffic.drain(1);
          traffic.turn(nowMs);
        }
        compare(shard.state, model);
        if (crashes) {
          const copy = join(folder, `${folders++}`);
          cpSync(path, copy, { recursive: true });
          path = copy;
        }
        await shard.store.close();
        const counters = new Counters(shard.memory.counters, 0);
        expect(counters.read(ShardCount.commits) > 0).toBe(counters.read(ShardCount.entries) > 0);
        clockMs -= clockBackMs;
      }
      const last = await LoopShard.open({ path, durability: 0, clock: () => clockMs });
      await last.store.close();
      compare(last.state, model, false);
      compareHolds(last.state, model);
    });
    await fc.assert(property, runs(120));
  });

  test('answers a batch of more requests than it looks ahead at, each one, in the order in which they came', async () => {
    const model = new ShardModel(60);
    const path = join(folder, `${folders++}`);
    const shard = await LoopShard.open({ path, durability: 0, clock: () => startMs, inFlightMax: 128 });
    const traffic = new Traffic(model, shard);
    traffic.send(0, { ...onSale, total: 50, limit: 0 });
    const order = { op: 'place', row: 0, revision: 1, quantity: 1, key: '' } as const;
    for (let i = 0; i < 3 * lanes; i++) traffic.send(0, { ...order, buyer: `u-${i}` });
    for (let i = 0; i < 3 * lanes; i++) traffic.send(1, { ...order, buyer: `v-${i}` });
    traffic.turn(startMs);
    traffic.drain(0);
    traffic.drain(1);
    expect(model.units(0)).toEqual({ total: 50, available: 0, held: 0, confirmed: 50 });
    await shard.store.close();
  });

  test('brings an order to disk in time though the wall clock was set back before the start', async () => {
    const path = join(folder, `${folders++}`);
    let clockMs = startMs;
    const before = await LoopShard.open({ path, durability: 1, clock: () => clockMs });
    const early = new Traffic(new ShardModel(60), before);
    early.send(0, onSale);
    early.turn(startMs);
    await before.store.close();
    clockMs -= 3_600_000;
    const model = new ShardModel(60);
    model.execute(onSale, startMs);
    model.durability = 1;
    const shard = await LoopShard.open({ path, durability: 1, clock: () => clockMs });
    const traffic = new Traffic(model, shard);
    traffic.send(0, { op: 'place', row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' });
    traffic.turn(startMs);
    expect(shard.store.flushAtMs).toBeLessThan(Number.POSITIVE_INFINITY);
    // As long as an order may wait for the disk, and a little more.
    clockMs += flushDelayMs + 1;
    shard.loop.turn();
    expect(shard.store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
    await shard.store.close();
  });

  test('tells nobody of an order whose commit failed, while refusals were let go at once', async () => {
    const model = new ShardModel(60);
    const path = join(folder, `${folders++}`);
    const shard = await LoopShard.open({ path, durability: 1, clock: () => startMs });
    const traffic = new Traffic(model, shard);
    const order: Place = { op: 'place', row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' };
    traffic.send(0, onSale);
    traffic.turn(startMs);
    traffic.drain(0);
    // The disk is gone: nothing can be written any more.
    await shard.store.close();
    for (const quantity of [1_000, 1]) traffic.send(0, { ...order, quantity });
    expect(() => traffic.turn(startMs)).toThrow('EBADF');
    const [replies] = shard.replies;
    const outcomes = Array.from({ length: replies!.waiting() }, (_, i) => replies!.words[replies!.at(i)]);
    expect(outcomes).toEqual([Outcome.limitReached]);
  });
});

/** A sale that is open: one SKU, ten units, one per buyer. */
const onSale: Define = {
  op: 'define',
  row: 0,
  sale: 1,
  revision: 1,
  total: 10,
  limit: 1,
  holdSeconds: 0,
  startsAtMs: 0,
  endsAtMs: Number.POSITIVE_INFINITY,
  state: SaleState.running,
  spread: false,
};

describe('a definition and an order for it in one group', () => {
  const order: Place = { op: 'place', row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' };
  const done = { outcome: Outcome.done };

  test('do not make two buyers of one, who would go over his limit', () => {
    const shard = new DirectShard(new ShardModel(60));
    shard.execute(
      [
        { request: onSale, answer: done },
        { request: order, answer: done },
      ],
      startMs,
    );
    shard.execute([{ request: order, answer: { outcome: Outcome.limitReached } }], startMs);
    expect(shard.state.buyers.count).toBe(1);
  });

  test('nor where the row belonged to another sale before', () => {
    const shard = new DirectShard(new ShardModel(60));
    shard.execute([{ request: onSale, answer: done }], startMs);
    const again: Define = { ...onSale, sale: 2, revision: 2 };
    const later: Place = { ...order, revision: 2 };
    shard.execute(
      [
        { request: again, answer: done },
        { request: later, answer: done },
      ],
      startMs,
    );
    shard.execute([{ request: later, answer: { outcome: Outcome.limitReached } }], startMs);
  });
});

describe('while a sale is being replaced', () => {
  const skus = [0, 1].map(
    (row): Define => ({
      op: 'define',
      row,
      sale: 1,
      revision: 1,
      total: 10,
      limit: 0,
      holdSeconds: 300,
      startsAtMs: startMs + 100,
      endsAtMs: Number.POSITIVE_INFINITY,
      state: SaleState.running,
      spread: false,
    }),
  );
  const done = { outcome: Outcome.done };
  const notStarted = { outcome: Outcome.notStarted };
  /** With a key, because an acceptor lets only such an order through to a sale that is not open. */
  const order: Place = { op: 'place', row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: 'k' };

  function frozen(): DirectShard {
    const shard = new DirectShard(new ShardModel(60));
    for (const request of skus) shard.execute([{ request, answer: done }], startMs);
    shard.execute([{ request: { op: 'freeze', sale: 1 }, answer: done }], startMs + 99);
    return shard;
  }

  test('no order is taken though its time has come, nor after a SKU was removed', () => {
    const shard = frozen();
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
    shard.execute([{ request: { op: 'remove', row: 1 }, answer: done }], startMs + 100);
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
  });

  test('no order is taken for the old definition of a SKU once the new one of another has come', () => {
    const shard = frozen();
    const [first, second] = skus.map((sku) => ({ ...sku, revision: 2, startsAtMs: startMs }));
    shard.execute([{ request: second!, answer: done }], startMs + 100);
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
    shard.execute([{ request: first!, answer: done }], startMs + 100);
    shard.execute([{ request: { ...order, revision: 2 }, answer: done }], startMs + 100);
  });
});

describe('two shards with SKUs of one sale', () => {
  const threads = new Threads();
  afterEach(() => threads.stop());

  test('an order refused because another shard has its key leaves the room for keys as it was', () => {
    const model = new ShardModel(60);
    const shard = new DirectShard(model);
    shard.execute([{ request: { ...onSale, spread: true }, answer: { outcome: Outcome.done } }], startMs);
    const taken: Place = { op: 'place', row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: 'key-2' };
    acceptForeignKey(model, shard.state, shard.foreign, {
      kind: 'foreign key',
      sale: 1,
      buyer: 'u-1',
      key: 'key-2',
    });
    const conflict = { outcome: Outcome.idempotencyConflict };
    for (let i = 0; i < 10 * keysMax; i++) shard.execute([{ request: taken, answer: conflict }], startMs);
    const another: Place = { ...taken, buyer: 'u-2' };
    shard.execute([{ request: another, answer: { outcome: Outcome.done } }], startMs);
  });

  test('never both accept an order under the same key', async () => {
    const rounds = 50_000;
    const shared = {
      tables: [KeyTable.allocate(rounds), KeyTable.allocate(rounds)],
      stock: StockTable.allocate(),
      keysMax: rounds,
      rounds,
      control: new SharedArrayBuffer(16),
      hashSeed,
    };
    const sides = [0, 1].map((side) =>
      threads.run<{ outcomes: Uint8Array; accepted: number; orders: number }>('commands-race.mjs', {
        ...shared,
        side,
      }),
    );
    const [a, b] = await within('both shards are done', Promise.all(sides), 40_000);
    const pairs = { none: 0, one: 0, both: 0, other: 0 };
    for (let round = 0; round < rounds; round++) {
      const outcomes = [a!.outcomes[round], b!.outcomes[round]];
      const accepted = outcomes.filter((outcome) => outcome === Outcome.done).length;
      const refused = outcomes.filter((outcome) => outcome === Outcome.idempotencyConflict).length;
      if (accepted + refused !== 2) pairs.other += 1;
      else if (accepted === 2) pairs.both += 1;
      else if (accepted === 1) pairs.one += 1;
      else pairs.none += 1;
    }
    expect(pairs).toMatchObject({ both: 0, other: 0 });
    expect(a!.orders + b!.orders).toBe(pairs.one);
    // Either may win: it was a race.
    expect(Math.min(a!.accepted, b!.accepted)).toBeGreaterThan(0);
  });
});
