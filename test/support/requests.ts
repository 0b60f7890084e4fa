/** Request records, written as the dispatcher writes them: the fields of the request, and nothing else. */
import { requestLayout } from '../../dist/memory/layout.js';
import { Opcode } from '../../dist/memory/records.js';
import type { SaleState } from '../../dist/sale/phase.js';
import { buyerHash, writeText } from '../../dist/text.js';

/** What the shards of these tests hash with. */
export const hashSeed = 0x5eed;

export interface Place {
  readonly op: 'place';
  readonly sale: number;
  readonly row: number;
  readonly revision: number;
  readonly quantity: number;
  readonly buyer: string;
  /** '' for none. */
  readonly key: string;
}

export interface Ask {
  readonly op: 'confirm' | 'cancel' | 'read';
  readonly number: number;
}

export interface NextOfBuyer {
  readonly op: 'nextOfBuyer';
  readonly sale: number;
  readonly buyer: string;
  /** -1 for the first. */
  readonly after: number;
}

export interface Restock {
  readonly op: 'restock';
  readonly row: number;
  readonly revision: number;
  readonly quantity: number;
  readonly key: string;
}

export interface Define {
  readonly op: 'define';
  readonly row: number;
  readonly sale: number;
  readonly revision: number;
  readonly total: number;
  /** 0 for none. */
  readonly limit: number;
  readonly holdSeconds: number;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly state: SaleState;
  readonly spread: boolean;
}

export interface Remove {
  readonly op: 'remove';
  readonly row: number;
}

export interface Control {
  readonly op: 'control';
  readonly sale: number;
  readonly state: SaleState;
}

export interface Freeze {
  readonly op: 'freeze' | 'unfreeze';
  readonly sale: number;
}

export interface Prepare {
  readonly op: 'prepare';
}

export type Request = Place | Ask | NextOfBuyer | Restock | Define | Remove | Control | Freeze | Prepare;

/** The views of a ring's end, or of a single record. */
export interface Records {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Buffer;
}

/** One record of its own, outside any ring. */
export function singleRecord(): Records {
  const buffer = new ArrayBuffer(requestLayout.bytes);
  return { words: new Int32Array(buffer), doubles: new Float64Array(buffer), bytes: Buffer.from(buffer) };
}

/** Fills the record at word `at`. What the request does not use keeps whatever an earlier record left there. */
export function writeRequest(
  to: Records,
  at: number,
  request: Request,
  slot: number,
  generation: number,
): void {
  const { words, doubles, bytes } = to;
  const textAt = (at + requestLayout.text) * 4;
  const keyAt = (at + requestLayout.key) * 4;
  words[at + requestLayout.opcode] = Opcode[request.op];
  words[at + requestLayout.slot] = slot;
  words[at + requestLayout.generation] = generation;
  switch (request.op) {
    case 'place': {
      words[at + requestLayout.row] = request.row;
      words[at + requestLayout.revision] = request.revision;
      words[at + requestLayout.quantity] = request.quantity;
      const buyerBytes = writeText(bytes, textAt, request.buyer);
      const keyBytes = request.key === '' ? 0 : writeText(bytes, keyAt, request.key);
      words[at + requestLayout.lengths] = buyerBytes | (keyBytes << 8);
      const hash = buyerHash(hashSeed, request.sale, words, at + requestLayout.text, buyerBytes);
      words[at + requestLayout.buyerHash] = hash;
      break;
    }
    case 'confirm':
    case 'cancel':
    case 'read':
      words[at + requestLayout.orderNumber] = request.number;
      break;
    case 'nextOfBuyer':
      words[at + requestLayout.orderNumber] = request.after;
      words[at + requestLayout.saleNumber] = request.sale;
      words[at + requestLayout.lengths] = writeText(bytes, textAt, request.buyer);
      break;
    case 'restock': {
      words[at + requestLayout.row] = request.row;
      words[at + requestLayout.revision] = request.revision;
      words[at + requestLayout.quantity] = request.quantity;
      const keyBytes = request.key === '' ? 0 : writeText(bytes, keyAt, request.key);
      words[at + requestLayout.lengths] = keyBytes << 8;
      break;
    }
    case 'define': {
      words[at + requestLayout.row] = request.row;
      words[at + requestLayout.revision] = request.revision;
      words[at + requestLayout.quantity] = request.total;
      doubles[at / 2 + requestLayout.startsAtMs] = request.startsAtMs;
      doubles[at / 2 + requestLayout.endsAtMs] = request.endsAtMs;
      words[at + requestLayout.holdSeconds] = request.holdSeconds;
      words[at + requestLayout.limitPerBuyer] = request.limit;
      words[at + requestLayout.saleNumber] = request.sale;
      words[at + requestLayout.saleState] = request.state | (request.spread ? 0x100 : 0);
      const saleBytes = writeText(bytes, textAt, `sale-${request.sale}`);
      const skuBytes = writeText(bytes, keyAt, `sku-${request.row}`);
      words[at + requestLayout.lengths] = saleBytes | (skuBytes << 8);
      break;
    }
    case 'remove':
      words[at + requestLayout.row] = request.row;
      break;
    case 'control':
      words[at + requestLayout.saleNumber] = request.sale;
      words[at + requestLayout.saleState] = request.state;
      break;
    case 'freeze':
    case 'unfreeze':
      words[at + requestLayout.saleNumber] = request.sale;
      words[at + requestLayout.saleState] = 0;
      break;
    case 'prepare':
      break;
  }
}
