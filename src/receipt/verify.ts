/** Verifies receipts, with the public key and nothing else. Any thread; no engine is needed. */
import { verify } from 'node:crypto';
import type { ReceiptRefusal } from '../errors.js';
import { keyIdOf, readPublicKey } from './keys.js';
import { headerText, parseReceipt, type Receipt, readPayload } from './receipt.js';

/** A receipt that holds, with the id of the key that signed it; or why it does not. */
export type ReceiptVerdict =
  | { readonly ok: true; readonly receipt: Receipt; readonly keyId: string }
  | ReceiptRefusal;

/**
 * Whether a receipt was signed with the private half of a key pair, and what it says.
 *
 * Refusals: `receipt_malformed` (not written by an engine), `receipt_algorithm` (not EdDSA), `receipt_key` (it names
 * another key), `receipt_signature` (altered, or forged), `receipt_version` (a later format).
 *
 * @param receipt an order's `receipt`: a compact JWS (RFC 7515) with Ed25519 (RFC 8037), without spaces around it
 * @param publicKeyPem an Ed25519 public key as PEM text (`BEGIN PUBLIC KEY`)
 * @throws LeiniaoError `invalid_options` where the public key is not such a key
 */
export function verifyReceipt(receipt: string, publicKeyPem: string): ReceiptVerdict {
  const key = readPublicKey(publicKeyPem);
  const parsed = parseReceipt(receipt);
  if (!parsed.ok) return parsed;
  const { header, signed, signature, payloadText, headerText: givenHeader } = parsed.parts;
  const keyId = keyIdOf(key);
  const { kid } = header as { readonly kid?: unknown };
  if (kid !== keyId) {
    return {
      ok: false,
      code: 'receipt_key',
      detail: `The receipt names another key than the given one, ${keyId}.`,
    };
  }
  // With any other field, or in another order, it is not the header that the signer writes.
  if (givenHeader !== headerText(keyId)) {
    return { ok: false, code: 'receipt_malformed', detail: 'The header is not that of a receipt.' };
  }
  if (!verify(null, Buffer.from(signed, 'latin1'), key, signature)) {
    const detail = 'The signature does not hold: the receipt was altered, or made by somebody else.';
    return { ok: false, code: 'receipt_signature', detail };
  }
  const read = readPayload(payloadText);
  return read.ok ? { ok: true, receipt: read.receipt, keyId } : read;
}
