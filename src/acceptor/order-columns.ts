/**
 * The orders of a batch as they were asked for: checked, and packed as they go into a ring, because an object or a string
 * that is kept for each of them would cost as much as to decide it. The caller may do with his objects what he likes: each
 * property of a good one is read once. On the acceptor's thread.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { invalid, type Refusal } from '../errors.js';
import { keyBytesOf, packLengths, textBytesOf } from '../memory/records.js';
import { formatSentences } from '../sale/rules.js';
import {
  newOrderValues,
  type OrderValues,
  orderRequest,
  orderTextWordsMax,
  readOrderRequest,
} from '../sale/schema.js';
import { readText, textWords } from '../text.js';
import { issuesOf } from '../validation.js';
import type { PackedOrders } from './request-records.js';

/** Where an order is for. Neighbours for the same SKU share one. */
export interface OrderPlace {
  readonly sale: string;
  readonly sku: string;
}

const oneOfMany: Refusal = invalid('The order is malformed.', [
  {
    path: '',
    message: `is malformed, as at least ${limits.malformedExplainedMax} orders before it in the batch`,
  },
]);

const unreadable: Refusal = invalid('The order cannot be read.', [
  { path: '', message: 'must be a plain object' },
]);

/** Words of an order. */
const order = {
  words: 4,
  /** Index of its place; that of 0 is none: the request is malformed. */
  place: 0,
  quantity: 1,
  /** Bytes of the buyer and, from the ninth bit, of the key. */
  lengths: 2,
  /** Word of the buyer among the texts; the key follows. */
  textsAt: 3,
} as const;

/** Words of text that there is room for at first, by order: a buyer of 16 bytes. */
const textWordsReserved = 4;

export class OrderColumns implements PackedOrders {
  readonly length: number;
  readonly #orders: Int32Array;
  readonly #places: (OrderPlace | undefined)[] = [undefined];
  readonly #texts: Int32Array;
  readonly #textBytes: Buffer;
  readonly #malformed = new Map<number, Refusal>();

  /** Reads so many requests, whatever the array makes of itself meanwhile. */
  constructor(requests: readonly unknown[], length: number) {
    assert(Number.isInteger(length) && length >= 0, 'a batch has a whole number of orders');
    this.length = length;
    const orders = new Int32Array(length * order.words);
    const values = newOrderValues(new Int32Array(length * textWordsReserved + orderTextWordsMax));
    let place: OrderPlace | undefined;
    for (let index = 0; index < length; index++) {
      if (values.words.length - values.textsAt < orderTextWordsMax) grow(values);
      const refusal = read(requests, index, values, this.#malformed.size < limits.malformedExplainedMax);
      if (refusal !== undefined) {
        this.#malformed.set(index, refusal);
        continue;
      }
      if (place === undefined || place.sku !== values.sku || place.sale !== values.sale) {
        place = { sale: values.sale, sku: values.sku };
        this.#places.push(place);
      }
      const at = index * order.words;
      orders[at + order.place] = this.#places.length - 1;
      orders[at + order.quantity] = values.quantity;
      orders[at + order.lengths] = packLengths(values.buyerBytes, values.keyBytes);
      orders[at + order.textsAt] = values.textsAt;
      values.textsAt += textWords(values.buyerBytes) + textWords(values.keyBytes);
    }
    this.#orders = orders;
    this.#texts = values.words;
    this.#textBytes = values.bytes;
  }

  /** Where an order is for; undefined where its request is malformed. */
  place(index: number): OrderPlace | undefined {
    return this.#places[this.#orders[index * order.words + order.place]!];
  }

  /** Units. */
  quantity(index: number): number {
    return this.#orders[index * order.words + order.quantity]!;
  }

  /** The texts of all orders, packed. */
  get texts(): Int32Array {
    return this.#texts;
  }

  /** Word of the buyer of order `index` in `texts`; the key follows, from the next whole word. */
  textsAt(index: number): number {
    return this.#orders[index * order.words + order.textsAt]!;
  }

  /** Bytes of the buyer and, from the ninth bit, of the idempotency key. */
  lengths(index: number): number {
    return this.#orders[index * order.words + order.lengths]!;
  }

  /** Whether an order has an idempotency key. */
  keyed(index: number): boolean {
    return keyBytesOf(this.lengths(index)) > 0;
  }

  buyer(index: number): string {
    return readText(this.#textBytes, this.textsAt(index) * 4, textBytesOf(this.lengths(index)));
  }

  /** Why request `index` is no order; undefined where it is one. */
  malformed(index: number): Refusal | undefined {
    return this.#malformed.get(index);
  }
}

/** Reads a request into `values`, or says why it is none. */
function read(
  requests: readonly unknown[],
  index: number,
  values: OrderValues,
  explain: boolean,
): Refusal | undefined {
  try {
    if (readOrderRequest(requests[index], values)) return undefined;
    return explain ? whyMalformed(requests[index]) : oneOfMany;
  } catch {
    // Of an embedder: a getter that throws, a proxy that was revoked.
    return unreadable;
  }
}

/** Doubles the room for texts. */
function grow(values: OrderValues): void {
  const words = new Int32Array(values.words.length * 2);
  words.set(values.words);
  values.words = words;
  values.bytes = Buffer.from(words.buffer);
}

function whyMalformed(request: unknown): Refusal {
  // A copy, because the schema's check reads more than once.
  const errors = issuesOf(orderRequest, copyOf(request), formatSentences);
  return errors.length === 0 ? unreadable : invalid('The order is malformed.', errors);
}

/** What there is in an object; anything else as it is. */
function copyOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : value;
}
