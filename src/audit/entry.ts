/**
 * Journal entries as the auditor takes them, drawn once more: its reader is written from this. Words are 32-bit
 * little-endian. Pure.
 *
 *   word 0   type (8 bits) | words of the whole entry (8 bits) | small (16 bits)
 *
 *   1 accepted    row | flags << 16   order number   sequence   buyer bytes | key bytes << 8   buyer   key
 *                 small: quantity. Flags: bits 0–1 durability, bit 2 born confirmed
 *   2 confirmed, 3 cancelled, 4 expired, 9 reacquired    order number
 *   5 restocked   row   quantity (signed)   key bytes   key
 *   6 defined     row   revision   sale number   stock   limit per buyer   hold seconds   f64 starts at   f64 ends at
 *                 sale id bytes | SKU id bytes << 8   sale id   SKU id      small: sale state | spread << 8
 *   7 removed     row
 *   8 controlled  sale number         small: sale state
 *
 * A text takes whole words, the last one filled up with zeros. Where `small` has no meaning it is zero.
 */

/** What the operator said of a sale. */
export const SaleState = { running: 0, paused: 1, ended: 2 } as const;
export type SaleState = (typeof SaleState)[keyof typeof SaleState];

/** The modes an order is acknowledged under, by the number an entry carries. `memory` journals nothing. */
export const durabilityNames = ['fsync', 'commit'] as const;

/** A text within a commit: where its words begin, and its length in bytes. */
export interface TextAt {
  at: number;
  bytes: number;
}

export interface AcceptedEntry {
  readonly type: 'accepted';
  row: number;
  quantity: number;
  orderNumber: number;
  sequence: number;
  durability: number;
  bornConfirmed: boolean;
  readonly buyer: TextAt;
  /** Of no bytes where there is none. */
  readonly key: TextAt;
}

export interface SettledEntry {
  type: 'confirmed' | 'cancelled' | 'expired' | 'reacquired';
  orderNumber: number;
}

export interface RestockedEntry {
  readonly type: 'restocked';
  row: number;
  quantity: number;
  readonly key: TextAt;
}

export interface DefinedEntry {
  readonly type: 'defined';
  row: number;
  revision: number;
  saleNumber: number;
  stock: number;
  limitPerBuyer: number;
  holdSeconds: number;
  startsAtMs: number;
  endsAtMs: number;
  state: SaleState;
  spread: boolean;
  readonly sale: TextAt;
  readonly sku: TextAt;
}

export interface RemovedEntry {
  readonly type: 'removed';
  row: number;
}

export interface ControlledEntry {
  readonly type: 'controlled';
  saleNumber: number;
  state: SaleState;
}

export type Entry =
  | AcceptedEntry
  | SettledEntry
  | RestockedEntry
  | DefinedEntry
  | RemovedEntry
  | ControlledEntry;

/** Names of the types by their numbers. */
export const typeNames: Readonly<Record<number, Entry['type']>> = {
  1: 'accepted',
  2: 'confirmed',
  3: 'cancelled',
  4: 'expired',
  5: 'restocked',
  6: 'defined',
  7: 'removed',
  8: 'controlled',
  9: 'reacquired',
};
