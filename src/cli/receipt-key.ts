/**
 * The file that `--receipt-key` names, read for the engine. What was given is never printed: somebody may have given the
 * key itself.
 */
import { limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { readPrivateKey } from '../receipt/keys.js';
import { readShortText } from './short-text.js';

/** The key as PEM text. Throws `invalid_options`, naming where such a file is named. */
export async function readReceiptKey(file: string): Promise<string> {
  if (file.includes('-----BEGIN')) throw wrong('must be the path of a PEM file, not the key itself');
  let text: string | undefined;
  try {
    text = await readShortText(file, limits.keyPemCharsMax);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrong(`must be the path of a PEM file, and that file cannot be read: ${code}`);
  }
  if (text === undefined || text === '') throw wrong('names a file that is too long, or empty, for a key');
  try {
    readPrivateKey(text);
  } catch {
    throw wrong('names a file that has no Ed25519 private key as PEM text (PKCS#8) without a passphrase');
  }
  return text;
}

function wrong(what: string): LeiniaoError {
  const where = '--receipt-key, LEINIAO_RECEIPT_KEY or receiptKey in the config file';
  return new LeiniaoError('invalid_options', `invalid options: /receiptKey (${where}) ${what}`, {
    issues: [{ path: '/receiptKey', message: what }],
  });
}
