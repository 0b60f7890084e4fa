/** Every order of a data folder, shard by shard in the order of acceptance, in the state its journal leaves it in. */
import { EntryReader } from '../../audit/entry-reader.js';
import type { Folder } from '../../audit/folder.js';
import type { ShardJournal } from '../../audit/journal.js';
import { journalOrder } from '../../audit/journal-order.js';
import { ShardLedger } from '../../audit/shard-ledger.js';
import { StoreBooks } from '../../audit/store-books.js';
import { OrderIds } from '../../sale/order-id.js';
import { type Row, timeValue } from './format.js';
import { fromJournal } from './open-journal.js';

export const orderColumns = [
  ...['orderId', 'sale', 'sku', 'buyer', 'quantity', 'status', 'sequence', 'createdAt', 'expiresAt'],
  ...['durability', 'reacquired', 'idempotencyKey'],
] as const;

/** Rows handed on at a time. */
const rowsAtOnce = 1_024;

/** Rows, some at a time. Throws `WrongJournal` before the first row of a shard whose journal is wrong. */
export async function* orderRows(folder: Folder): AsyncGenerator<readonly Row[]> {
  const ids = OrderIds.ofStore(folder.storeId, folder.shards);
  for (let shard = 0; shard < folder.shards; shard++) {
    yield* fromJournal(folder, shard, (journal) => rowsOf(journal, folder, ids));
  }
}

function* rowsOf(journal: ShardJournal, folder: Folder, ids: OrderIds): Generator<readonly Row[]> {
  const { shard } = journal;
  const books = new StoreBooks();
  const ledger = new ShardLedger(shard, folder.shards, books);
  const reader = new EntryReader();
  for (const commit of journal.commits()) {
    const { timeMs } = commit;
    journal.readEntries(commit, reader, (entry) => ledger.apply(entry, reader, timeMs));
  }
  const { count } = ledger.orders;
  for (let from = 0; from < count; from += rowsAtOnce) {
    const length = Math.min(rowsAtOnce, count - from);
    yield Array.from({ length }, (_, i) => orderRow(ids.format(shard, from + i), from + i, ledger, books));
  }
}

function orderRow(orderId: string, number: number, ledger: ShardLedger, books: StoreBooks): Row {
  const { createdAtMs, reacquired, durability, ...facts } = journalOrder(ledger, books, number)!;
  const { orders, skus } = ledger;
  const key = orders.keys[number]!;
  // As the API shows it: the deadline counts until the order is confirmed or cancelled.
  const counts = facts.status === 'held' || facts.status === 'expired';
  const { holdSeconds } = skus.get(orders.rows[number]!)!.sale;
  return {
    orderId,
    ...facts,
    createdAt: timeValue(createdAtMs),
    expiresAt: counts ? timeValue(createdAtMs + holdSeconds * 1_000) : null,
    ...{ durability, reacquired },
    idempotencyKey: key === -1 ? null : books.keys.textOf(key),
  };
}
