/**
 * What a request says in its record, beside the head that the dispatcher claims it with. Each of these functions writes one
 * record, at word `at` of a request ring; its caller has checked every value. On the acceptor's thread.
 */
import { requestLayout } from '../memory/layout.js';
import { keyBytesOf, packDefinedState, packLengths, packToldState, textBytesOf } from '../memory/records.js';
import type { RingProducer } from '../memory/ring.js';
import type { CatalogueSale, CatalogueSku } from '../sale/catalogue.js';
import { SaleState } from '../sale/phase.js';
import { buyerHash, copyWords, textWords, writePlain, writeText } from '../text.js';

/** Orders of a batch, with what a request says of each. */
export interface PackedOrders {
  /** The texts of all. */
  readonly texts: Int32Array;
  /** Word of an order's buyer among them; its idempotency key follows, from the next whole word. */
  textsAt(index: number): number;
  /** Bytes of the buyer and of the key, as `packLengths` packs them. */
  lengths(index: number): number;
  /** Units. */
  quantity(index: number): number;
}

/** An order whose names are texts; `key` is '' for none. */
export function writePlace(
  requests: RingProducer,
  at: number,
  sku: CatalogueSku,
  buyer: string,
  quantity: number,
  key: string,
  hashSeed: number,
): void {
  const buyerBytes = writeName(requests, at + requestLayout.text, buyer);
  const keyBytes = key === '' ? 0 : writeName(requests, at + requestLayout.key, key);
  writeRest(requests.words, at, sku, quantity, packLengths(buyerBytes, keyBytes), hashSeed);
}

/** Order `index` of a batch. */
export function writePacked(
  words: Int32Array,
  at: number,
  sku: CatalogueSku,
  orders: PackedOrders,
  index: number,
  hashSeed: number,
): void {
  const { texts } = orders;
  const lengths = orders.lengths(index);
  const textsAt = orders.textsAt(index);
  const buyerWords = textWords(textBytesOf(lengths));
  copyWords(texts, textsAt, words, at + requestLayout.text, buyerWords);
  copyWords(texts, textsAt + buyerWords, words, at + requestLayout.key, textWords(keyBytesOf(lengths)));
  writeRest(words, at, sku, orders.quantity(index), lengths, hashSeed);
}

/** Writes a name at word `at`, and returns its length in bytes. */
function writeName({ words, bytes }: RingProducer, at: number, name: string): number {
  return writePlain(words, at, name) || writeText(bytes, at * 4, name);
}

/** What is left to write once the names are there. */
function writeRest(
  words: Int32Array,
  at: number,
  sku: CatalogueSku,
  quantity: number,
  lengths: number,
  hashSeed: number,
): void {
  words[at + requestLayout.row] = sku.row;
  words[at + requestLayout.revision] = sku.sale.revision;
  words[at + requestLayout.quantity] = quantity;
  // A shard that was started again has forgotten that the sale is frozen.
  const told = sku.sale.frozen ? SaleState.paused : sku.sale.state;
  words[at + requestLayout.lengths] = packToldState(lengths, told);
  const textAt = at + requestLayout.text;
  // Here and not by the shard: so it can fetch what it needs of a whole group of orders before it looks at the first.
  const hash = buyerHash(hashSeed, sku.sale.number, words, textAt, textBytesOf(lengths));
  words[at + requestLayout.buyerHash] = hash;
}

/** A confirm, cancel or read of the order of that number. */
export function writeOrder({ words }: RingProducer, at: number, number: number): void {
  words[at + requestLayout.orderNumber] = number;
}

/** A buyer's order in a sale: the first one after the order numbered `after`, which is -1 to begin with. */
export function writeNextOfBuyer(
  { words, bytes }: RingProducer,
  at: number,
  saleNumber: number,
  buyer: string,
  after: number,
): void {
  words[at + requestLayout.orderNumber] = after;
  words[at + requestLayout.saleNumber] = saleNumber;
  words[at + requestLayout.lengths] = writeText(bytes, (at + requestLayout.text) * 4, buyer);
}

/** A restock of so many units, or a withdrawal where they are negative; `key` is '' for none. */
export function writeRestock(
  { words, bytes }: RingProducer,
  at: number,
  sku: CatalogueSku,
  quantity: number,
  key: string,
): void {
  words[at + requestLayout.row] = sku.row;
  words[at + requestLayout.revision] = sku.sale.revision;
  words[at + requestLayout.quantity] = quantity;
  const keyBytes = key === '' ? 0 : writeText(bytes, (at + requestLayout.key) * 4, key);
  words[at + requestLayout.lengths] = packToldState(packLengths(0, keyBytes), sku.sale.state);
}

/** A SKU's definition. `spread` says whether other shards own SKUs of the same sale. */
export function writeDefine(
  { words, doubles, bytes }: RingProducer,
  at: number,
  sku: CatalogueSku,
  spread: boolean,
): void {
  const { sale } = sku;
  words[at + requestLayout.row] = sku.row;
  words[at + requestLayout.revision] = sale.revision;
  words[at + requestLayout.quantity] = sku.stock;
  doubles[at / 2 + requestLayout.startsAtMs] = sale.startsAtMs;
  doubles[at / 2 + requestLayout.endsAtMs] = sale.endsAtMs;
  words[at + requestLayout.holdSeconds] = sale.holdSeconds;
  words[at + requestLayout.limitPerBuyer] = sku.limitPerBuyer ?? 0;
  words[at + requestLayout.saleNumber] = sale.number;
  words[at + requestLayout.saleState] = packDefinedState(sale.state, spread);
  const saleBytes = writeText(bytes, (at + requestLayout.text) * 4, sale.id);
  const skuBytes = writeText(bytes, (at + requestLayout.key) * 4, sku.sku);
  words[at + requestLayout.lengths] = packLengths(saleBytes, skuBytes);
}

/** To forget a SKU. */
export function writeRemove({ words }: RingProducer, at: number, sku: CatalogueSku): void {
  words[at + requestLayout.row] = sku.row;
}

/** A sale-wide command. */
export function writeSale({ words }: RingProducer, at: number, sale: CatalogueSale, state: SaleState): void {
  words[at + requestLayout.saleNumber] = sale.number;
  words[at + requestLayout.saleState] = state;
}
