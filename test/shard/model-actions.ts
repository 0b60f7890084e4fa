/** What may happen to a shard in the tests beside its model: sales, buyers and keys, and arbitrary actions of clients and operators. */

import fc from 'fast-check';
import { SaleState } from '../../dist/sale/phase.js';
import type { Define } from '../support/requests.js';
import type { ForeignState } from '../support/shard-model.js';

export const startMs = 1_800_000_000_000;

export const keysMax = 256;
export const storeId = '0123456789abcdef0123456789abcdef';

export const saleNumbers = [1, 2];
export const skusPerSale = 3;
export const buyers = ['u-1', '雷鸟', 'b'.repeat(64)];
export const keys = ['', 'k', 'key-2', 'k'.repeat(64)];
export const rows = saleNumbers.flatMap((sale) => [0, 1, 2].map((i) => rowOf(sale, i)));

export function rowOf(sale: number, sku: number): number {
  return (sale - 1) * skusPerSale + sku;
}

// What may happen, without the numbers that only the run knows.

export interface PlaceAction {
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

export type Action =
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
export const place: fc.Arbitrary<PlaceAction> = fc.record({
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
export const ordinary: fc.Arbitrary<Action> = fc.oneof(
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
export const operators: fc.Arbitrary<Action> = fc.oneof(
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
export const anyAction = fc.oneof({ weight: 3, arbitrary: ordinary }, { weight: 1, arbitrary: operators });
export const waitMs = fc.constantFrom(0, 0, 0, 1, 100, 299, 1_000, 1_001, 2_500);

/** A sale that is open: one SKU, ten units, one per buyer. */
export const onSale: Define = {
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
