/** Tails as files: what `tail-content.ts` says of their layout, written down once more. */
import type { Durability } from '../../dist/config.js';

const blockBytes = 4_096;

/** Bytes filled up with zeros to whole blocks. */
function blocks(bytes: Uint8Array): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes);
  whole.set(bytes);
  return whole;
}

/** The file of a tail that has these records, or what else there may be. */
export function tailOf(records: readonly Uint8Array[], durability: Durability = 'commit'): Buffer {
  const head = Buffer.alloc(20);
  head.write('leiniao\n');
  head.writeUInt32LE(1, 8);
  head.write(durability, 12);
  return Buffer.concat([head, ...records, Buffer.alloc(blockBytes)].map(blocks));
}

/** Where each record of `tailOf` begins, and then where the last one's blocks end, in bytes. */
export function startsOf(records: readonly Uint8Array[]): number[] {
  const starts = [blockBytes];
  for (const record of records) starts.push(starts.at(-1)! + blocks(record).length);
  return starts;
}
