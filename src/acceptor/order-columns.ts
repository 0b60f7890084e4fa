/**
 * The orders of a batch as they were asked for: checked, and kept in columns, because an object for each of them would
 * cost as much as to decide it. The caller may do with his objects what he likes: each property of a good one is read
 * once. On the acceptor's thread.
 */
import { limits } from '../config.js';
import { invalid, type Refusal } from '../errors.js';
import { formatSentences } from '../sale/rules.js';
import { newOrderValues, orderRequest, readOrderRequest } from '../sale/schema.js';
import { issuesOf } from '../validation.js';

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

export class OrderColumns {
  readonly length: number;
  /** Undefined where a request is malformed. */
  readonly #places: (OrderPlace | undefined)[] = [];
  readonly #buyers: string[] = [];
  readonly #quantities: number[] = [];
  /** Only once an order has a key: '' for those without. */
  #keys: string[] | undefined = undefined;
  readonly #malformed = new Map<number, Refusal>();

  /** Reads as many requests as the array says that it has, whatever else it makes of itself. */
  constructor(requests: readonly unknown[]) {
    const { length } = requests;
    this.length = length;
    const order = newOrderValues();
    let place: OrderPlace | undefined;
    for (let index = 0; index < length; index++) {
      const refusal = read(requests, index, this.#malformed.size < limits.malformedExplainedMax);
      this.#buyers.push(order.buyer);
      this.#quantities.push(order.quantity);
      if (refusal !== undefined) {
        this.#malformed.set(index, refusal);
        this.#places.push(undefined);
        continue;
      }
      if (place === undefined || place.sku !== order.sku || place.sale !== order.sale) {
        place = { sale: order.sale, sku: order.sku };
      }
      this.#places.push(place);
      if (order.idempotencyKey !== '') this.#setKey(index, order.idempotencyKey);
    }

    function read(from: readonly unknown[], index: number, explain: boolean): Refusal | undefined {
      try {
        if (readOrderRequest(from[index], order)) return undefined;
        return explain ? whyMalformed(from[index]) : oneOfMany;
      } catch {
        // Of an embedder: a getter that throws, a proxy that was revoked.
        return unreadable;
      }
    }
  }

  #setKey(index: number, key: string): void {
    this.#keys ??= new Array<string>(this.length).fill('');
    this.#keys[index] = key;
  }

  /** Where order `index` is for; undefined where its request is malformed. */
  place(index: number): OrderPlace | undefined {
    return this.#places[index];
  }

  buyer(index: number): string {
    return this.#buyers[index]!;
  }

  /** Units. */
  quantity(index: number): number {
    return this.#quantities[index]!;
  }

  /** The idempotency key, '' for none. */
  key(index: number): string {
    return this.#keys === undefined ? '' : this.#keys[index]!;
  }

  /** Why request `index` is no order; undefined where it is one. */
  malformed(index: number): Refusal | undefined {
    return this.#malformed.get(index);
  }
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
