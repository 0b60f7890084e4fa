/** What the auditor takes for a text: printable UTF-8, or the characters of an id, padded with zeros. Pure. */

/** Control, format and separator characters. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const id = /^[A-Za-z0-9._-]+$/;

export class TextCheck {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** Whether `length` bytes from byte `at` are printable UTF-8, and zeros fill the last word. */
  isPrintable(bytes: Buffer, at: number, length: number): boolean {
    for (let i = 0; i < length; i++) {
      const byte = bytes[at + i]!;
      if (byte < 0x20 || byte > 0x7e) return this.#isPrintable(bytes, at, length);
    }
    return isPadded(bytes, at, length);
  }

  /** The same for texts that are not ASCII. */
  #isPrintable(bytes: Buffer, at: number, length: number): boolean {
    try {
      const text = this.#utf8.decode(bytes.subarray(at, at + length));
      return !unprintable.test(text) && isPadded(bytes, at, length);
    } catch {
      return false;
    }
  }

  isId(bytes: Buffer, at: number, length: number): boolean {
    const text = bytes.toString('latin1', at, at + length);
    return id.test(text) && text !== '.' && text !== '..' && isPadded(bytes, at, length);
  }
}

function isPadded(bytes: Buffer, at: number, length: number): boolean {
  for (let i = length; (i & 3) !== 0; i++) {
    if (bytes[at + i] !== 0) return false;
  }
  return true;
}
