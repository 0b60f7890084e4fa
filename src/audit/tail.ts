/**
 * The tail of a journal: commit records on their way to LMDB. An engine may be writing to it while we read; what it writes
 * over is in LMDB by then.
 *
 *   byte 0      "leiniao\n"   8 u32 format   12 "fsync" or "commit", and zeros up to 20
 *   byte 4096   records, oldest first, each from a multiple of 4096 on; a block that begins with 96 zeros ends them
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { CannotAudit } from './cannot-audit.js';
import { commitHeadBytes, isSealed, numberOf, recordAt } from './chain.js';
import { tailReadingsMax } from './contract.js';

/** What a tail begins with, by the durability it is written with. */
const heads = {
  fsync: Buffer.from('leiniao\n\x01\0\0\0fsync\0\0\0'),
  commit: Buffer.from('leiniao\n\x01\0\0\0commit\0\0'),
} as const;
const blockBytes = 4_096;

export interface Tail {
  /** Undefined for one that begins as a tail does. */
  readonly problem?: string;
  /** Whether every record but the last was on disk before the next one was written. */
  readonly flushed: boolean;
  /** Oldest first. The last one may have been torn by a power cut. */
  readonly records: readonly Buffer[];
  /** Whether the end is behind them, and not a part of a record. */
  readonly ends: boolean;
  readonly bytes: Buffer;
}

/** @throws CannotAudit when the file is written over each time while it is read */
export function readTail(path: string): Tail {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return noTail('is missing', Buffer.alloc(0));
    throw error;
  }
  try {
    return readStill(descriptor, path);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a record of a later commit than that is in a tail as it was sealed, wherever. */
export function hasLater({ bytes }: Tail, commit: number): boolean {
  for (let at = blockBytes; at < bytes.length; at += blockBytes) {
    const record = recordAt(bytes, at);
    if (record !== undefined && numberOf(record) > commit && isSealed(record)) return true;
  }
  return false;
}

/** The tails that an engine put aside in a shard's folder because they did not continue the chain to their end, by path. */
export function tornTailsIn(path: string): string[] {
  const names = readdirSync(path).filter((name) => name.startsWith('tail.bin.torn-'));
  return names.sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => join(path, name));
}

/** Reads a tail until nobody has written to it meanwhile, as far as that shows. */
function readStill(descriptor: number, path: string): Tail {
  for (let readings = 1; ; readings++) {
    const bytes = read(descriptor, 0, fstatSync(descriptor).size);
    // An engine that begins again does so with the first record; before that, what it will write over is still there.
    const first = bytes.subarray(blockBytes, blockBytes + commitHeadBytes);
    const isStill = read(descriptor, blockBytes, commitHeadBytes).equals(first);
    const tail = tailOf(bytes);
    // What was added after the end had been read may be behind it.
    const isWhole = tail.ends && tail.records.every(isSealed) && !hasLater(tail, lastNumber(tail));
    if (isStill && (isWhole || readings === tailReadingsMax)) return tail;
    if (readings === tailReadingsMax)
      throw new CannotAudit(`${path} is written over too fast to be read; try again`);
  }
}

/** Fewer bytes where the file ends before. */
function read(descriptor: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  for (let got = -1; got !== 0 && done < length; done += got) {
    got = readSync(descriptor, bytes, done, length - done, from + done);
  }
  return bytes.subarray(0, done);
}

function lastNumber({ records }: Tail): number {
  const last = records.at(-1);
  return last === undefined ? 0 : numberOf(last);
}

function noTail(problem: string, bytes: Buffer): Tail {
  return { problem, flushed: false, records: [], ends: true, bytes };
}

function tailOf(bytes: Buffer): Tail {
  const head = bytes.subarray(0, heads.fsync.length);
  const flushed = head.equals(heads.fsync);
  if (!flushed && !head.equals(heads.commit)) return noTail('does not begin as a tail does', bytes);
  const records: Buffer[] = [];
  let at = blockBytes;
  while (at < bytes.length && bytes.subarray(at, at + commitHeadBytes).some((byte) => byte !== 0)) {
    const record = recordAt(bytes, at);
    if (record === undefined) return { flushed, records, ends: false, bytes };
    records.push(record);
    at += Math.ceil(record.length / blockBytes) * blockBytes;
  }
  return { flushed, records, ends: true, bytes };
}
