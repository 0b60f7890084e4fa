/** One order as the journal leaves it: its facts, and what became of it. Pure. */
import { durabilityNames } from './entry.js';
import { statusNames } from './orders.js';
import type { ShardLedger } from './shard-ledger.js';
import type { StoreBooks } from './store-books.js';

export interface JournalOrder {
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  /** Units. */
  readonly quantity: number;
  readonly sequence: number;
  readonly createdAtMs: number;
  readonly durability: (typeof durabilityNames)[number];
  readonly status: (typeof statusNames)[number];
  readonly reacquired: boolean;
}

/** The order with a number in its shard, or undefined when the journal has none. */
export function journalOrder(
  { orders, skus }: ShardLedger,
  books: StoreBooks,
  number: number,
): JournalOrder | undefined {
  if (number >= orders.count) return undefined;
  const { sale, id: sku } = skus.get(orders.rows[number]!)!;
  return {
    ...{ sale: sale.id, sku, buyer: books.buyers.textOf(orders.buyers[number]!) },
    quantity: orders.quantities[number]!,
    sequence: orders.sequences[number]!,
    createdAtMs: orders.createdAtMs[number]!,
    durability: durabilityNames[orders.durabilities[number]!]!,
    status: statusNames[orders.statuses[number]!]!,
    reacquired: orders.reacquired[number] === 1,
  };
}
