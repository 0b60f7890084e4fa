/** What a request to place an order says in its record, beside the head that the dispatcher claims it with. */
import { requestLayout } from '../memory/layout.js';
import { keyBytesOf, packLengths, textBytesOf } from '../memory/records.js';
import type { RingProducer } from '../memory/ring.js';
import type { CatalogueSku } from '../sale/catalogue.js';
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

/** Writes an order whose names are texts; `key` is '' for none. */
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

/** Writes order `index` of a batch. */
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
  words[at + requestLayout.lengths] = lengths | (told << 16);
  const textAt = at + requestLayout.text;
  // Here and not by the shard: so it can fetch what it needs of a whole group of orders before it looks at the first.
  const hash = buyerHash(hashSeed, sku.sale.number, words, textAt, textBytesOf(lengths));
  words[at + requestLayout.buyerHash] = hash;
}
