/**
 * The file that `--receipt-key` names, read for the engine. What was given is never printed: somebody may have given the
 * key itself.
 */
import { limits } from '../config.js';
import { invalidOption } from '../errors.js';
import { readShortText } from './short-text.js';

/** The key as PEM text. Throws `invalid_options`, naming `/receiptKey`. */
export async function readReceiptKey(file: string): Promise<string> {
  if (file.includes('-----BEGIN'))
    throw invalidOption('/receiptKey', 'must be the path of a PEM file, not the key itself');
  let text: string | undefined;
  try {
    text = await readShortText(file, limits.keyPemCharsMax);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw invalidOption(
      '/receiptKey',
      `must be the path of a PEM file, and that file cannot be read: ${code}`,
    );
  }
  if (text === undefined || text === '')
    throw invalidOption('/receiptKey', 'names a file that is too long, or empty, for a key');
  return text;
}
