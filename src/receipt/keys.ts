/**
 * The keys of receipts: Ed25519, from PEM text. No message here says what it was given: it may be somebody's private
 * key, in the wrong place or with a letter missing. Any thread.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { invalidOption } from '../errors.js';

const privateKeyMessage = 'must be an Ed25519 private key as PEM text (PKCS#8), without a passphrase';
const publicKeyMessage =
  'must be an Ed25519 public key as PEM text (BEGIN PUBLIC KEY), and not a private one';

/**
 * The key that signs.
 *
 * @throws LeiniaoError `invalid_options`, naming `/receiptKey`
 */
export function readPrivateKey(pem: string): KeyObject {
  const key = keyOf(() => createPrivateKey({ key: pem, format: 'pem' }));
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw invalidOption('/receiptKey', privateKeyMessage);
}

/**
 * The key that verifies. A private key is refused, though it has the public one in it: who verifies should not have it.
 *
 * @throws LeiniaoError `invalid_options`, naming `/publicKey`
 */
export function readPublicKey(pem: string): KeyObject {
  const isPublic = typeof pem === 'string' && pem.trimStart().startsWith('-----BEGIN PUBLIC KEY-----');
  const key = isPublic ? keyOf(() => createPublicKey({ key: pem, format: 'pem' })) : undefined;
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw invalidOption('/publicKey', publicKeyMessage);
}

/** The name of a key pair: the thumbprint of its public key (RFC 7638, over the members of RFC 8037). */
export function keyIdOf(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const { crv, kty, x } = publicKey.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

/** What the parser says of a text that is no key is left out: it may quote the text. */
function keyOf(parse: () => KeyObject): KeyObject | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
