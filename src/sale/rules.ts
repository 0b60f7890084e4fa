/** What names may look like, as schema formats with a sentence each. Pure. */
import Format from 'typebox/format';
import { limits } from '../config.js';

/** Names of the formats that schemas use. */
export const formats = { id: 'leiniao-id', text: 'leiniao-text', title: 'leiniao-title' } as const;

/** What each format asks for, as the end of the sentence "it must be …". */
export const formatSentences: Readonly<Record<string, string>> = {
  [formats.id]: 'must be 1 to 64 of A–Z a–z 0–9 . _ -, and neither . nor ..',
  [formats.text]: 'must be 1 to 64 bytes of printable UTF-8',
  [formats.title]: `must be 1 to ${limits.saleNameBytesMax} bytes of printable UTF-8`,
  'date-time': 'must be an RFC 3339 time such as 2026-11-11T00:00:00Z',
};

const idChars = new Uint8Array(128);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-') {
  idChars[char.charCodeAt(0)] = 1;
}
/** Control, format and separator characters, and surrogates without their other half. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether `text` is a sale or SKU id. */
export function isId(text: string): boolean {
  if (typeof text !== 'string' || text.length === 0 || text.length > limits.skuIdBytesMax) return false;
  // In a path these two are no names: clients take them out before they send it.
  if (text === '.' || text === '..') return false;
  // Every request names a sale and a SKU; an expression would take three times as long.
  for (let i = 0; i < text.length; i++) {
    if (idChars[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether `text` is printable UTF-8 of 1 to `bytesMax` bytes. */
export function isPrintable(text: string, bytesMax: number): boolean {
  if (typeof text !== 'string') return false;
  const { length } = text;
  if (length === 0 || length > bytesMax) return false;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    // Nearly every name is ASCII and never reaches the expression.
    if (unit < 0x20 || unit > 0x7e) return !unprintable.test(text) && utf8Bytes(text) <= bytesMax;
  }
  return true;
}

/** Bytes of `text` in UTF-8. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair stands for two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}

Format.Set(formats.id, isId);
Format.Set(formats.text, (text) => isPrintable(text, limits.buyerBytesMax));
Format.Set(formats.title, (text) => isPrintable(text, limits.saleNameBytesMax));
