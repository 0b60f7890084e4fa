/** Reads a file, or standard input, that has to be short: a key, a receipt. */
import { createReadStream } from 'node:fs';

/**
 * The whole of a text, or undefined where it is longer than `bytesMax`. Works for what has no size, such as a pipe.
 * Rejects with the error of the file system.
 */
export async function readShortText(
  source: string | NodeJS.ReadableStream,
  bytesMax: number,
): Promise<string | undefined> {
  const stream = typeof source === 'string' ? createReadStream(source) : source;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop closes the stream.
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
