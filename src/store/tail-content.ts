/**
 * What the file of a journal's tail holds: commit records on their way to LMDB. Pure.
 *
 *   block of 4,096 bytes
 *   0    the head: +0 "leiniao\n"   +8 u32 format   +12 durability it is written with, 8 bytes of text ending in zeros
 *   1 …  records, oldest first, each from the beginning of a block, filled up with zeros
 *   n    the end: 96 zeros (what would be a record's head); what is behind it is older than the records
 *
 * A block that holds a record is not written again before LMDB has that record: what was acknowledged does not depend on
 * how a disk that loses its power leaves the block it is writing.
 */
import type { Durability } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { commitHash, commitHeadBytes, commitLayout, hashBytes, journalFormat } from './batch.js';

/** What page caches, and most disks, write as a whole. */
export const tailBlockBytes = 4_096;
/** In bytes. */
const headLayout = { magic: 0, format: 8, durability: 12, end: 20 } as const;
const magic = 'leiniao\n';
const tailFormat = 1;
/** Those under which there is a tail. */
const durabilities: readonly Durability[] = ['fsync', 'commit'];

export interface TailContent {
  /** What it was written with. */
  readonly durability: Durability;
  /** Oldest first, up to the first that cannot be one. What they say is not checked. */
  readonly records: readonly Buffer[];
  /** Whether what is behind them is the end. */
  readonly ends: boolean;
  /** All of the file. */
  readonly bytes: Buffer;
}

function headOf(durability: Durability): Buffer {
  const head = Buffer.alloc(headLayout.end);
  head.write(magic, headLayout.magic);
  head.writeUInt32LE(tailFormat, headLayout.format);
  head.write(durability, headLayout.durability);
  return head;
}

/** The first two blocks of a tail that has no records. */
export function emptyTail(durability: Durability): Buffer {
  const bytes = Buffer.alloc(2 * tailBlockBytes);
  bytes.set(headOf(durability));
  return bytes;
}

/** @throws LeiniaoError `data_dir_damaged` where the bytes are not those of a tail */
export function tailContent(bytes: Buffer): TailContent {
  const durability = durabilityOf(bytes);
  const records: Buffer[] = [];
  let at = tailBlockBytes;
  while (at < bytes.length && bytes.subarray(at, at + commitHeadBytes).some((byte) => byte !== 0)) {
    const record = recordAt(bytes, at);
    if (record === undefined) return { durability, records, ends: false, bytes };
    records.push(record);
    at += tailBlocks(record) * tailBlockBytes;
  }
  return { durability, records, ends: true, bytes };
}

/** Whether any block begins a record, as it was sealed, of a commit later than that. */
export function holdsLater({ bytes }: TailContent, commit: number): boolean {
  for (let at = tailBlockBytes; at < bytes.length; at += tailBlockBytes) {
    const record = recordAt(bytes, at);
    if (record === undefined || numberOf(record) <= commit) continue;
    if (commitHash(record).compare(record, 0, hashBytes) === 0) return true;
  }
  return false;
}

/** The number that a record says it has. */
export function numberOf(record: Buffer): number {
  return record.readUInt32LE(commitLayout.number * 4);
}

/** How many blocks a record takes. */
export function tailBlocks(record: Uint8Array): number {
  return Math.ceil(record.length / tailBlockBytes);
}

function durabilityOf(bytes: Buffer): Durability {
  const head = bytes.subarray(0, headLayout.end);
  const durability = durabilities.find((one) => head.equals(headOf(one)));
  if (durability !== undefined) return durability;
  throw new LeiniaoError('data_dir_damaged', 'it does not begin as a tail does');
}

/** What begins at a byte, if it can be a record: it has a length, and that much is there. */
function recordAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + commitHeadBytes > bytes.length) return undefined;
  if (bytes.readUInt32LE(at + commitLayout.format * 4) !== journalFormat) return undefined;
  const end = at + commitHeadBytes + bytes.readUInt32LE(at + commitLayout.words * 4) * 4;
  return end > bytes.length ? undefined : bytes.subarray(at, end);
}
