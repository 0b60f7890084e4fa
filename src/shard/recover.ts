/**
 * Rebuilds a shard's state from its journal: every entry is applied as it was when it was new. Runs in the
 * shard's thread before it opens.
 */
import { AssertionFailure, assert, unreachable } from '../assert.js';
import { LeiniaoError } from '../errors.js';
import { Status } from '../sale/order-state.js';
import type { SaleState } from '../sale/phase.js';
import { commitLayout } from '../store/batch.js';
import type { Commit } from '../store/chain.js';
import {
  acceptedLayout,
  bornConfirmed,
  controlledLayout,
  definedLayout,
  durabilityMask,
  EntryType,
  entrySmall,
  entryType,
  entryWords,
  getDouble,
  removedLayout,
  restockedLayout,
  settledLayout,
} from '../store/entry.js';
import { textWords } from '../text.js';
import { newKeyQuery, restockQuery, type ShardState } from './state.js';

const query = newKeyQuery();

/**
 * Applies every entry of a commit.
 *
 * @throws LeiniaoError `data_dir_damaged` when an entry contradicts the ones before it, `invalid_options` when there is
 *   no room for what the store holds
 */
export function applyCommit(state: ShardState, commit: Commit): void {
  const { words } = commit;
  let at: number = commitLayout.entries;
  try {
    for (let i = 0; i < commit.count; i++) {
      const length = entryWords(words[at]!);
      assert(length > 0 && at + length <= words.length, 'an entry ends within its commit');
      applyEntry(state, words, at, commit.timeMs);
      at += length;
    }
    assert(at === words.length, 'the entries fill their commit');
  } catch (cause) {
    // The state asserts what every command must keep to: an entry that breaks it contradicts those before.
    if (!(cause instanceof AssertionFailure)) throw cause;
    throw new LeiniaoError('data_dir_damaged', `journal commit ${commit.number}: ${cause.message}`, {
      cause,
    });
  }
}

function applyEntry(state: ShardState, words: Int32Array, at: number, timeMs: number): void {
  const type = entryType(words[at]!);
  switch (type) {
    case EntryType.accepted:
      applyAccepted(state, words, at, timeMs);
      break;
    case EntryType.confirmed:
      settle(state, words[at + settledLayout.orderNumber]!, Status.confirmed);
      break;
    case EntryType.cancelled:
      settle(state, words[at + settledLayout.orderNumber]!, Status.cancelled);
      break;
    case EntryType.expired:
      settle(state, words[at + settledLayout.orderNumber]!, Status.expired);
      break;
    case EntryType.reacquired: {
      const number = words[at + settledLayout.orderNumber]!;
      assert(state.orders.has(number), 'only an accepted order is reacquired');
      state.reacquire(number);
      break;
    }
    case EntryType.restocked:
      applyRestocked(state, words, at);
      break;
    case EntryType.defined:
      applyDefined(state, words, at);
      break;
    case EntryType.removed:
      state.remove(words[at + removedLayout.row]!);
      break;
    case EntryType.controlled:
      state.control(words[at + controlledLayout.saleNumber]!, entrySmall(words[at]!) as SaleState);
      break;
    default:
      unreachable(type);
  }
}

function applyAccepted(state: ShardState, words: Int32Array, at: number, timeMs: number): void {
  const row = words[at + acceptedLayout.sku]! & 0xffff;
  const flags = words[at + acceptedLayout.sku]! >>> 16;
  const lengths = words[at + acceptedLayout.lengths]!;
  const buyerBytes = lengths & 0xff;
  const keyBytes = lengths >> 8;
  const buyerAt = at + acceptedLayout.texts;
  const sku = state.skus[row];
  assert(sku !== undefined, 'an order is for a defined SKU');
  if (!state.orders.hasRoom() || !state.buyers.hasRoom()) throw tooSmall(state);
  const saleNumber = sku.sale.number;
  const hash = state.buyerHash(saleNumber, words, buyerAt, buyerBytes);
  const known = state.buyers.find(hash, saleNumber, words, buyerAt, buyerBytes);
  const status = (flags & bornConfirmed) === 0 ? Status.held : Status.confirmed;
  const quantity = entrySmall(words[at]!);
  const durability = flags & durabilityMask;
  const number = state.accept(
    sku,
    known,
    hash,
    words,
    buyerAt,
    buyerBytes,
    quantity,
    timeMs,
    status,
    durability,
  );
  assert(number === words[at + acceptedLayout.orderNumber], 'orders are numbered without gaps');
  assert(sku.sequence === words[at + acceptedLayout.sequence], 'sequences have no gaps');
  if (keyBytes === 0) return;
  query.saleNumber = saleNumber;
  query.buyerBytes = buyerBytes;
  query.keyBytes = keyBytes;
  query.words = words;
  query.buyerAt = buyerAt;
  query.keyAt = buyerAt + textWords(buyerBytes);
  insertKey(state, number);
}

/** Adds the key in `query`. */
function insertKey(state: ShardState, reference: number): void {
  if (!state.keys.hasRoom()) throw tooSmall(state);
  state.hashKey(query);
  state.keys.insert(query, reference);
}

function tooSmall(state: ShardState): LeiniaoError {
  return new LeiniaoError(
    'invalid_options',
    `ordersPerShardMax is ${state.orders.max}: too small for the orders, or their keys, that a shard of this data folder holds`,
  );
}

function settle(state: ShardState, number: number, status: Exclude<Status, typeof Status.held>): void {
  assert(state.orders.has(number), 'only an accepted order is settled');
  state.settle(number, status);
}

function applyRestocked(state: ShardState, words: Int32Array, at: number): void {
  const row = words[at + restockedLayout.row]!;
  const quantity = words[at + restockedLayout.quantity]!;
  const keyBytes = words[at + restockedLayout.keyBytes]!;
  const sku = state.skus[row];
  assert(sku !== undefined, 'a restock is for a defined SKU');
  state.restock(sku, quantity);
  if (keyBytes === 0) return;
  restockQuery(query, sku.sale.number, words, at + restockedLayout.key, keyBytes);
  insertKey(state, state.rememberRestock(sku, quantity));
}

function applyDefined(state: ShardState, words: Int32Array, at: number): void {
  const small = entrySmall(words[at]!);
  state.define({
    row: words[at + definedLayout.row]!,
    revision: words[at + definedLayout.revision]!,
    saleNumber: words[at + definedLayout.saleNumber]!,
    total: words[at + definedLayout.total]!,
    limitPerBuyer: words[at + definedLayout.limitPerBuyer]!,
    holdSeconds: words[at + definedLayout.holdSeconds]!,
    startsAtMs: getDouble(words, at + definedLayout.startsAtMs),
    endsAtMs: getDouble(words, at + definedLayout.endsAtMs),
    state: (small & 0xff) as SaleState,
    spread: small >> 8 === 1,
  });
}
