/** The shapes of what callers send, once for types, validation and documentation. Pure. */
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { limits } from '../config.js';
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

/** What an order asks for, with its defaults. */
export interface OrderValues {
  sale: string;
  sku: string;
  buyer: string;
  /** Units. */
  quantity: number;
  /** '' for none. */
  idempotencyKey: string;
}

export function newOrderValues(): OrderValues {
  return { sale: '', sku: '', buyer: '', quantity: 1, idempotencyKey: '' };
}

/**
 * The same as `orderRequest.Check`, written out likewise. Reads each property once, and puts what it read into `values`
 * where it has passed. An id that is there already need not be checked again: most of a batch are for the same SKU.
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
  if (!isBuyer(buyer) || !isQuantity(quantity)) return false;
  if ((sku !== values.sku || sku === '') && !isId(sku)) return false;
  if ((sale !== values.sale || sale === '') && !isId(sale)) return false;
  if (key !== undefined && !isPrintable(key, limits.idempotencyKeyBytesMax)) return false;
  values.sale = sale;
  values.sku = sku;
  values.buyer = buyer;
  values.quantity = quantity ?? 1;
  values.idempotencyKey = key ?? '';
  return true;
}

function isBuyer(buyer: string): boolean {
  return isPrintable(buyer, limits.buyerBytesMax);
}

function isQuantity(quantity: number | undefined): boolean {
  return (
    quantity === undefined || (Number.isInteger(quantity) && quantity >= 1 && quantity <= limits.quantityMax)
  );
}
