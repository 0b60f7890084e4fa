/** The shapes of what callers send, once for types, validation and documentation. Pure. */
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { limits } from '../config.js';
import { textWords, writePlain, writeText } from '../text.js';
import type { Validator } from '../validation.js';
import { formats, isId, isPrintable } from './rules.js';

const SkuSchema = Type.Object(
  {
    sku: Type.String({ format: formats.id }),
    stock: Type.Integer({ minimum: 0, maximum: limits.stockMax }),
    limitPerBuyer: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.limitPerBuyerMax })),
  },
  { additionalProperties: false },
);

const SaleDefinitionSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ format: formats.title })),
    startsAt: Type.Optional(Type.String({ format: 'date-time' })),
    endsAt: Type.Optional(Type.String({ format: 'date-time' })),
    holdSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.holdSecondsMax })),
    skus: Type.Array(SkuSchema, { minItems: 1, maxItems: limits.skusPerSaleMax }),
  },
  { additionalProperties: false },
);

const OrderBodySchema = Type.Object(
  {
    sku: Type.String({ format: formats.id }),
    buyer: Type.String({ format: formats.text }),
    quantity: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.quantityMax })),
  },
  { additionalProperties: false },
);

/** One order of the embedding API: the body of the HTTP request, and what HTTP says in its path and header. */
const OrderRequestSchema = Type.Object(
  {
    sale: Type.String({ format: formats.id }),
    ...OrderBodySchema.properties,
    idempotencyKey: Type.Optional(Type.String({ format: formats.text })),
  },
  { additionalProperties: false },
);

const RestockBodySchema = Type.Object(
  { quantity: Type.Integer({ minimum: -limits.stockMax, maximum: limits.stockMax }) },
  { additionalProperties: false },
);

const RestockOptionsSchema = Type.Object(
  { idempotencyKey: Type.Optional(Type.String({ format: formats.text })) },
  { additionalProperties: false },
);

/**
 * A sale as its operator declares it. `startsAt` and `endsAt` are RFC 3339 times (default: now, never); `holdSeconds`
 * is how long an order is held (default 300, 0 sells outright); by SKU, `stock` and `limitPerBuyer` are units.
 */
export type SaleDefinition = Type.Static<typeof SaleDefinitionSchema>;
/** One order: `quantity` is units (default 1); `idempotencyKey` makes repeating it safe. */
export type OrderRequest = Type.Static<typeof OrderRequestSchema>;
export type OrderBody = Type.Static<typeof OrderBodySchema>;
export type RestockBody = Type.Static<typeof RestockBodySchema>;
/** `idempotencyKey` makes repeating a restock safe. */
export type RestockOptions = Type.Static<typeof RestockOptionsSchema>;

export const saleDefinition = Compile(SaleDefinitionSchema) as Validator<SaleDefinition>;
export const orderBody = Compile(OrderBodySchema) as Validator<OrderBody>;
export const orderRequest = Compile(OrderRequestSchema) as Validator<OrderRequest>;
export const restockBody = Compile(RestockBodySchema) as Validator<RestockBody>;
export const restockOptions = Compile(RestockOptionsSchema) as Validator<RestockOptions>;

/**
 * The same as `orderBody.Check`, written out: with the compiled schema the check would take longer than the rest of
 * placing an order in a batch. A test holds the two together.
 */
export function isOrderBody(value: unknown): value is OrderBody {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const name in value) {
    if (name !== 'sku' && name !== 'buyer' && name !== 'quantity') return false;
  }
  const { sku, buyer, quantity } = value as OrderBody;
  return isId(sku) && isBuyer(buyer) && isQuantity(quantity);
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
  const buyerBytes = writeName(values, values.textsAt, buyer, limits.buyerBytesMax);
  if (buyerBytes === 0) return false;
  let keyBytes = 0;
  if (key !== undefined) {
    keyBytes = writeName(values, values.textsAt + textWords(buyerBytes), key, limits.idempotencyKeyBytesMax);
    if (keyBytes === 0) return false;
  }
  values.sale = sale;
  values.sku = sku;
  values.quantity = quantity ?? 1;
  values.buyerBytes = buyerBytes;
  values.keyBytes = keyBytes;
  return true;
}

/** Checks and writes a name, and returns its length in bytes; 0 where it is none. */
function writeName({ words, bytes }: OrderValues, at: number, name: string, bytesMax: number): number {
  if (typeof name !== 'string' || name.length === 0 || name.length > bytesMax) return 0;
  const length = writePlain(words, at, name);
  if (length > 0) return length;
  return isPrintable(name, bytesMax) ? writeText(bytes, at * 4, name) : 0;
}

function isBuyer(buyer: string): boolean {
  return isPrintable(buyer, limits.buyerBytesMax);
}

function isQuantity(quantity: number | undefined): boolean {
  return (
    quantity === undefined || (Number.isInteger(quantity) && quantity >= 1 && quantity <= limits.quantityMax)
  );
}
