/**
 * A receipt as text: a compact JWS (RFC 7515) whose payload says what was acknowledged. Written and read here and
 * nowhere else, and only in one way, so that two texts are never the same receipt. Pure.
 *
 *   base64url(header) . base64url(payload) . base64url(signature)
 *
 *   header     {"alg":"EdDSA","kid":<key id>,"typ":"leiniao-receipt"}
 *   payload    {"version":1,"storeId":…,"orderId":…, … } as `Receipt` has them, in that sequence
 *   signature  Ed25519 (RFC 8032, 8037) over all that stands before the second dot
 */
import { assert } from '../assert.js';
import { durabilities, limits } from '../config.js';
import type { ReceiptRefusal } from '../errors.js';
import type { Order } from '../sale/order.js';
import { isId, isPrintable } from '../sale/rules.js';

/** The facts of an order that never change: what becomes of it later is not in its receipt. */
export type AcknowledgedOrder = Pick<
  Order,
  'orderId' | 'sale' | 'sku' | 'buyer' | 'quantity' | 'sequence' | 'createdAtMs' | 'durability'
>;

/** What a receipt says. */
export interface Receipt extends AcknowledgedOrder {
  /** Of the format. */
  readonly version: 1;
  /** The data folder that has the order: 32 hexadecimal digits. */
  readonly storeId: string;
}

/** A receipt taken apart. Nothing in it is to be believed before its signature has been checked. */
export interface ReceiptParts {
  /** The header as JSON text, and what it is. */
  readonly headerText: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payloadText: string;
  /** What the signature was made over. */
  readonly signed: string;
  readonly signature: Uint8Array;
}

const version = 1;
const algorithm = 'EdDSA';
const type = 'leiniao-receipt';
const signatureBytes = 64;

/** The header of every receipt signed with one key, as JSON text. */
export function headerText(keyId: string): string {
  return JSON.stringify({ alg: algorithm, kid: keyId, typ: type });
}

/** A part of a receipt for a text. */
export function encodePart(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/** The payload of the receipt for an order, as JSON text. */
export function payloadText(storeId: string, order: AcknowledgedOrder): string {
  const { orderId, sale, sku, buyer, quantity, sequence, createdAtMs, durability } = order;
  const receipt: Receipt = {
    ...{ version, storeId, orderId, sale, sku, buyer },
    ...{ quantity, sequence, createdAtMs, durability },
  };
  return JSON.stringify(receipt);
}

/** Joins what was signed and its signature. */
export function joinReceipt(signed: string, signature: Buffer): string {
  assert(signature.length === signatureBytes, 'a signature of Ed25519 has its length');
  const text = `${signed}.${signature.toString('base64url')}`;
  assert(text.length <= limits.receiptCharsMax, 'whoever reads a receipt takes one of this length');
  return text;
}

function malformed(detail: string): ReceiptRefusal {
  return { ok: false, code: 'receipt_malformed', detail };
}

/** Takes a receipt apart, and refuses what has not its form. Header, signature and payload are for the caller to check. */
export function parseReceipt(
  text: string,
): { readonly ok: true; readonly parts: ReceiptParts } | ReceiptRefusal {
  if (typeof text !== 'string' || text.length > limits.receiptCharsMax) {
    return malformed(`A receipt is a text of at most ${limits.receiptCharsMax} characters.`);
  }
  const [header, payload, signature, ...more] = text.split('.').map(decodePart);
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    return malformed(
      'A receipt has three parts in base64url, with dots between them: a character of this one is missing, changed or too many.',
    );
  }
  const headerText = header.toString('utf8');
  const fields = parseObject(headerText);
  if (fields === undefined) return malformed('The header is not a JSON object.');
  // Before the signature is looked at: which check a receipt has to pass is not for the receipt to say.
  const { alg } = fields as { readonly alg?: unknown };
  if (alg !== algorithm) {
    const detail = `Receipts are signed with ${algorithm}; this one names another algorithm, or none.`;
    return { ok: false, code: 'receipt_algorithm', detail };
  }
  if (signature.length !== signatureBytes)
    return malformed(`The signature is not ${signatureBytes} bytes long.`);
  const signed = text.slice(0, text.lastIndexOf('.'));
  const payloadText = payload.toString('utf8');
  return { ok: true, parts: { headerText, header: fields, payloadText, signed, signature } };
}

/** Reads the payload of a receipt whose signature holds. */
export function readPayload(text: string): { readonly ok: true; readonly receipt: Receipt } | ReceiptRefusal {
  const fields = parseObject(text) as Partial<Receipt> | undefined;
  if (fields === undefined) return malformed('The payload is not a JSON object.');
  if (fields.version !== version) {
    const detail = `This version of leiniao reads receipts of format version ${version}.`;
    return { ok: false, code: 'receipt_version', detail };
  }
  const receipt = fields as Receipt;
  // Written again it is the same text: so there is no field in it that nobody reads.
  if (!isReceipt(receipt) || payloadText(receipt.storeId, receipt) !== text) {
    return malformed('The payload is not that of a receipt.');
  }
  return { ok: true, receipt };
}

/** Whether every field is what an engine may have written there. */
function isReceipt(receipt: Receipt): boolean {
  const { storeId, orderId, sale, sku, buyer, quantity, sequence, createdAtMs, durability } = receipt;
  return (
    isHex(storeId, 32) &&
    isHex(orderId, 16) &&
    isId(sale) &&
    isId(sku) &&
    isPrintable(buyer, limits.buyerBytesMax) &&
    isWhole(quantity, limits.quantityMax) &&
    isWhole(sequence, Number.MAX_SAFE_INTEGER) &&
    isWhole(createdAtMs, timeMsMax) &&
    durabilities.includes(durability)
  );
}

/** The last time that a `Date` can be. */
const timeMsMax = 8.64e15;

function isWhole(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}

function isHex(value: string, digits: number): boolean {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value);
}

/**
 * The bytes of a part, or undefined where it is not their base64url. Node's decoder passes over strange characters and
 * over bits that the last character has left: written again, only what is exact stays the same.
 */
function decodePart(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
