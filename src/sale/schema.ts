/** The shapes of what callers send, once for types, validation and documentation. Nothing here has state. */
import type { Static } from 'typebox';
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { textWords, writePlain, writeText } from '../text.js';
import { compile } from '../validation.js';
import { formats, isId, isPrintable } from './rules.js';

const Id = { type: 'string', format: formats.id } as const;
const Text = { type: 'string', format: formats.text } as const;
const Time = { type: 'string', format: 'date-time' } as const;

const SkuSchema = {
  type: 'object',
  required: ['sku', 'stock'],
  properties: {
    sku: Id,
    stock: { type: 'integer', minimum: 0, maximum: limits.stockMax },
    limitPerBuyer: { type: 'integer', minimum: 1, maximum: limits.limitPerBuyerMax },
  },
  additionalProperties: false,
} as const;

const SaleDefinitionSchema = {
  type: 'object',
  required: ['skus'],
  properties: {
    name: { type: 'string', format: formats.title },
    startsAt: Time,
    endsAt: Time,
    holdSeconds: { type: 'integer', minimum: 0, maximum: limits.holdSecondsMax },
    skus: { type: 'array', items: SkuSchema, minItems: 1, maxItems: limits.skusPerSaleMax },
  },
  additionalProperties: false,
} as const;

const OrderBodySchema = {
  type: 'object',
  required: ['sku', 'buyer'],
  properties: {
    sku: Id,
    buyer: Text,
    quantity: { type: 'integer', minimum: 1, maximum: limits.quantityMax },
  },
  additionalProperties: false,
} as const;

/** One order of the embedding API: the body of the HTTP request, and what HTTP says in its path and header. */
const OrderRequestSchema = {
  type: 'object',
  required: ['sale', ...OrderBodySchema.required],
  properties: { sale: Id, ...OrderBodySchema.properties, idempotencyKey: Text },
  additionalProperties: false,
} as const;

const RestockBodySchema = {
  type: 'object',
  required: ['quantity'],
  properties: { quantity: { type: 'integer', minimum: -limits.stockMax, maximum: limits.stockMax } },
  additionalProperties: false,
} as const;

const RestockOptionsSchema = {
  type: 'object',
  properties: { idempotencyKey: Text },
  additionalProperties: false,
} as const;

/**
 * A sale as its operator declares it. `startsAt` and `endsAt` are RFC 3339 times (default: now, never); `holdSeconds`
 * is how long an order is held (default 300, 0 sells outright); by SKU, `stock` and `limitPerBuyer` are units.
 */
export type SaleDefinition = Static<typeof SaleDefinitionSchema>;
/** One order: `quantity` is units (default 1); `idempotencyKey` makes repeating it safe. */
export type OrderRequest = Static<typeof OrderRequestSchema>;
export type OrderBody = Static<typeof OrderBodySchema>;
export type RestockBody = Static<typeof RestockBodySchema>;
/** `idempotencyKey` makes repeating a restock safe. */
export type RestockOptions = Static<typeof RestockOptionsSchema>;

export const saleDefinition = compile(SaleDefinitionSchema);
export const orderBody = compile(OrderBodySchema);
export const orderRequest = compile(OrderRequestSchema);
export const restockBody = compile(RestockBodySchema);
export const restockOptions = compile(RestockOptionsSchema);

const nothingKnown = { sku: false, plain: false };

/**
 * The same as `orderBody.Check`, written out: with the compiled schema the check would take longer than the rest of
 * placing an order in a batch. A test holds the two together.
 *
 * @param known.sku whether the value's SKU is one that there is: then its id need not be looked at
 * @param known.plain whether all strings in the value are known to be printable ASCII
 */
export function isOrderBody(value: unknown, known = nothingKnown): value is OrderBody {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const name in value) {
    if (name !== 'sku' && name !== 'buyer' && name !== 'quantity') return false;
  }
  const { sku, buyer, quantity } = value as OrderBody;
  return (known.sku || isId(sku)) && isBuyer(buyer, known.plain) && isQuantity(quantity);
}

/** What an order asks for, with its defaults, and where its texts are put. */
export interface OrderValues {
  sale: string;
  sku: string;
  /** Units. */
  quantity: number;
  /** The buyer as UTF-8 at word `textsAt`, and the idempotency key behind it, each padded to a whole word. */
  words: Int32Array;
  /** The same memory. */
  bytes: Buffer;
  textsAt: number;
  buyerBytes: number;
  /** 0 for none. */
  keyBytes: number;
}

/** Words that the texts of an order take at most. */
export const orderTextWordsMax = textWords(limits.buyerBytesMax) + textWords(limits.idempotencyKeyBytesMax);

/** Values to be filled in, with the texts in `words`. */
export function newOrderValues(words: Int32Array<ArrayBuffer>): OrderValues {
  assert(words.byteOffset === 0, 'the same memory is seen by words and by bytes');
  return {
    sale: '',
    sku: '',
    quantity: 1,
    words,
    bytes: Buffer.from(words.buffer),
    textsAt: 0,
    buyerBytes: 0,
    keyBytes: 0,
  };
}

/**
 * The same as `orderRequest.Check`, written out likewise. Reads each property once, and puts what it read into `values`
 * where it has passed; `orderTextWordsMax` words from `textsAt` may be written to in any case. An id that is there already
 * need not be checked again: most of a batch are for the same SKU.
 */
export function readOrderRequest(value: unknown, values: OrderValues): boolean {
  // What is written beyond an array's end would be lost without a word.
  assert(values.words.length - values.textsAt >= orderTextWordsMax, 'there is room for the longest texts');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const name in value) {
    switch (name) {
      case 'sale':
      case 'sku':
      case 'buyer':
      case 'quantity':
      case 'idempotencyKey':
        break;
      default:
        return false;
    }
  }
  const { sale, sku, buyer, quantity, idempotencyKey: key } = value as OrderRequest;
  if (!isQuantity(quantity)) return false;
  if ((sku !== values.sku || sku === '') && !isId(sku)) return false;
  if ((sale !== values.sale || sale === '') && !isId(sale)) return false;
  const buyerBytes = checkAndWriteName(values, values.textsAt, buyer, limits.buyerBytesMax);
  if (buyerBytes === 0) return false;
  let keyBytes = 0;
  if (key !== undefined) {
    keyBytes = checkAndWriteName(
      values,
      values.textsAt + textWords(buyerBytes),
      key,
      limits.idempotencyKeyBytesMax,
    );
    if (keyBytes === 0) return false;
  }
  values.sale = sale;
  values.sku = sku;
  values.quantity = quantity ?? 1;
  values.buyerBytes = buyerBytes;
  values.keyBytes = keyBytes;
  return true;
}

/** Checks a name and writes it, and returns its length in bytes; 0 where it is none. */
function checkAndWriteName(
  { words, bytes }: OrderValues,
  at: number,
  name: string,
  bytesMax: number,
): number {
  if (typeof name !== 'string' || name.length === 0 || name.length > bytesMax) return 0;
  const length = writePlain(words, at, name);
  if (length > 0) return length;
  return isPrintable(name, bytesMax) ? writeText(bytes, at * 4, name) : 0;
}

function isBuyer(buyer: string, plain: boolean): boolean {
  if (!plain) return isPrintable(buyer, limits.buyerBytesMax);
  return typeof buyer === 'string' && buyer.length > 0 && buyer.length <= limits.buyerBytesMax;
}

function isQuantity(quantity: number | undefined): boolean {
  return (
    quantity === undefined || (Number.isInteger(quantity) && quantity >= 1 && quantity <= limits.quantityMax)
  );
}
