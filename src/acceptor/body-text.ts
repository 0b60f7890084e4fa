/** Bodies between bytes and text. Nothing here has state; on the acceptor's thread. */
import { isUtf8 } from 'node:buffer';

export const quote = 0x22;
export const backslash = 0x5c;

/** Whether all bytes are printable ASCII, and none a backslash: then the strings in it are so too, if it is JSON. */
export function isPlain(bytes: Uint8Array): boolean {
  // Negative once any byte was outside of 0x20 to 0x7e.
  let odd = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === backslash) return false;
    odd |= (byte - 0x20) | (0x7e - byte);
  }
  return odd >= 0;
}

/** UTF-8 as a string, or undefined where it is malformed. */
export function decode(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? viewOf(bytes).toString('utf8') : undefined;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

interface Latin1Slicing {
  /** What every Node.js has behind `toString('latin1')` and does not document. Takes any bytes, not a Buffer only. */
  readonly latin1Slice?: (this: Uint8Array, start: number, end: number) => string;
}

const { latin1Slice } = Buffer.prototype as Latin1Slicing;

/**
 * Bytes `start` to `end`, which are ASCII, as a string. Half the time of making a Buffer and asking that: a part of every
 * order goes through here.
 */
export const asciiText: (bytes: Uint8Array, start: number, end: number) => string =
  latin1Slice === undefined
    ? (bytes, start, end) => viewOf(bytes).toString('latin1', start, end)
    : (bytes, start, end) => latin1Slice.call(bytes, start, end);

/** A text of ASCII as bytes. */
export function asciiBytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
