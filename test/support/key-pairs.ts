/** Key pairs for receipts, as PEM text. */
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

function asText({ privateKey, publicKey }: KeyPairKeyObjectResult): KeyPair {
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** A new pair of Ed25519. */
export function newKeyPair(): KeyPair {
  return asText(generateKeyPairSync('ed25519'));
}

/** New pairs of other kinds, none of which can sign a receipt. */
export function newStrangers(): Readonly<Record<'rsa' | 'p256' | 'x25519', KeyPair>> {
  return {
    rsa: asText(generateKeyPairSync('rsa', { modulusLength: 2048 })),
    p256: asText(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
    x25519: asText(generateKeyPairSync('x25519')),
  };
}
