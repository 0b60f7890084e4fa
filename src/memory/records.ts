/** The record codec: requests and opcodes that cross to a shard, replies that come back. Any thread. */

import { Status } from '../sale/order-state.js';
import { Outcome } from '../sale/outcome.js';
import type { SaleState } from '../sale/phase.js';
import { replyLayout } from './layout.js';

export const Opcode = {
  place: 1,
  confirm: 2,
  cancel: 3,
  read: 4,
  /** The next order of a buyer in a sale after a given one. */
  nextOfBuyer: 5,
  restock: 6,
  define: 7,
  remove: 8,
  control: 9,
  freeze: 10,
  unfreeze: 11,
  /** Get memory ready for the orders that may come. The reply's quantity is 1 as long as there is more to get ready. */
  prepare: 12,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** The bytes of a request's text and key in one word; the sale's state may stand above them, from bit 16. */
export function packLengths(textBytes: number, keyBytes: number): number {
  return textBytes | (keyBytes << 8);
}

/** Bytes of the text. */
export function textBytesOf(lengths: number): number {
  return lengths & 0xff;
}

/** Bytes of the key, 0 for none. */
export function keyBytesOf(lengths: number): number {
  return (lengths >> 8) & 0xff;
}

const spreadBit = 1 << 8;

/** The sale's state that the acceptor knows of, above the lengths of a place or restock. */
export function packToldState(lengths: number, state: SaleState): number {
  return lengths | (state << 16);
}

export function toldStateOf(lengths: number): SaleState {
  return (lengths >> 16) as SaleState;
}

/** A sale's state, and whether several shards own SKUs of it: a definition has both in one word. */
export function packDefinedState(state: SaleState, spread: boolean): number {
  return state | (spread ? spreadBit : 0);
}

export function definedStateOf(word: number): SaleState {
  return (word & ~spreadBit) as SaleState;
}

export function definedSpreadOf(word: number): boolean {
  return (word & spreadBit) !== 0;
}

/** What a shard answers. One object is reused for every reply of a thread. */
export interface Reply {
  outcome: Outcome;
  row: number;
  orderNumber: number;
  quantity: number;
  sequence: number;
  createdAtMs: number;
  expiresAtMs: number;
  status: Status;
  /** Index of the durability mode the order was acknowledged under. */
  durability: number;
  /** Whether the order was confirmed after its hold had expired. */
  reacquired: boolean;
}

/** A reply to fill in. */
export function newReply(outcome: Outcome = Outcome.none): Reply {
  return {
    outcome,
    row: 0,
    orderNumber: 0,
    quantity: 0,
    sequence: 0,
    createdAtMs: 0,
    expiresAtMs: 0,
    status: Status.held,
    durability: 0,
    reacquired: false,
  };
}

const reacquiredBit = 1 << 16;

/** The word that carries a reply's status, durability and whether the order was reacquired. */
export function statusWord({ status, durability, reacquired }: Reply): number {
  return status | (durability << 8) | (reacquired ? reacquiredBit : 0);
}

/** Reads what `statusWord` packed into `reply`. */
export function readStatusWord(
  word: number,
  reply: Pick<Reply, 'status' | 'durability' | 'reacquired'>,
): void {
  reply.status = (word & 0xff) as Status;
  reply.durability = (word >> 8) & 0xff;
  reply.reacquired = (word & reacquiredBit) !== 0;
}

/** Writes a reply's fixed fields, and which buyer's name follows is the caller's matter. */
export function writeReply(
  words: Int32Array,
  doubles: Float64Array,
  at: number,
  slot: number,
  generation: number,
  reply: Reply,
): void {
  words[at + replyLayout.outcome] = reply.outcome;
  words[at + replyLayout.slot] = slot;
  words[at + replyLayout.generation] = generation;
  words[at + replyLayout.row] = reply.row;
  words[at + replyLayout.orderNumber] = reply.orderNumber;
  words[at + replyLayout.quantity] = reply.quantity;
  words[at + replyLayout.buyerBytes] = 0;
  words[at + replyLayout.sequence] = reply.sequence;
  doubles[at / 2 + replyLayout.createdAtMs] = reply.createdAtMs;
  doubles[at / 2 + replyLayout.expiresAtMs] = reply.expiresAtMs;
  words[at + replyLayout.status] = statusWord(reply);
}

/** Reads a reply's fixed fields into `reply`. */
export function readReply(words: Int32Array, doubles: Float64Array, at: number, reply: Reply): void {
  reply.outcome = words[at + replyLayout.outcome]! as Outcome;
  reply.row = words[at + replyLayout.row]!;
  reply.orderNumber = words[at + replyLayout.orderNumber]!;
  reply.quantity = words[at + replyLayout.quantity]!;
  reply.sequence = words[at + replyLayout.sequence]!;
  reply.createdAtMs = doubles[at / 2 + replyLayout.createdAtMs]!;
  reply.expiresAtMs = doubles[at / 2 + replyLayout.expiresAtMs]!;
  readStatusWord(words[at + replyLayout.status]!, reply);
}
