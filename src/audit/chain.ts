/**
 * The auditor's own reader of commit records, and of the hash chain that joins them.
 *
 *   byte 0    SHA-256 of everything from byte 32 on
 *   byte 32   hash of the commit before; of the first: SHA-256 of "leiniao journal 1 <store id> <shard>"
 *   byte 64   u32 format   68 u32 commit number   72 u32 entries   76 u32 words of entries
 *   byte 80   f64 time, ms since the epoch        88 f64 sequence of the first entry, from 1
 *   byte 96   entries
 */
import { createHash } from 'node:crypto';
import { timeMsMax } from './contract.js';
import { wrong } from './wrong.js';

const hashBytes = 32;
const format = 1;
const field = {
  previous: 32,
  format: 64,
  number: 68,
  count: 72,
  words: 76,
  timeMs: 80,
  sequence: 88,
} as const;
/** Bytes of a commit record before its entries. */
export const commitHeadBytes = 96;

/** A commit that continues the chain. Valid until the next one is followed. */
export interface Commit {
  number: number;
  timeMs: number;
  count: number;
  /** The whole record in words and in bytes; entries stand from word `from` to word `end`. */
  words: Int32Array;
  bytes: Buffer;
  readonly from: number;
  end: number;
}

/** The commit record that begins at a byte, if it can be one: it has a length, and that much is there. */
export function recordAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + commitHeadBytes > bytes.length || bytes.readUInt32LE(at + field.format) !== format)
    return undefined;
  const end = at + lengthOf(bytes, at);
  return end > bytes.length ? undefined : bytes.subarray(at, end);
}

/** The number that a commit record says it has. */
export function numberOf(record: Buffer): number {
  return record.readUInt32LE(field.number);
}

/** Length in bytes that a commit record says it has; its head must be there. */
function lengthOf(bytes: Buffer, at: number): number {
  return commitHeadBytes + bytes.readUInt32LE(at + field.words) * 4;
}

/** Whether the content of a commit record is the one it was sealed with. */
export function isSealed(record: Buffer): boolean {
  const hash = createHash('sha256').update(record.subarray(hashBytes)).digest();
  return hash.compare(record, 0, hashBytes) === 0;
}

export class Chain {
  #hash: Buffer;
  #number = 0;
  #entries = 0;
  #timeMs = 0;
  readonly #commit: Commit;

  constructor(storeId: string, shard: number) {
    this.#hash = createHash('sha256').update(`leiniao journal ${format} ${storeId} ${shard}`).digest();
    const bytes = Buffer.from(new ArrayBuffer(64 * 1024));
    const words = new Int32Array(bytes.buffer);
    this.#commit = { number: 0, timeMs: 0, count: 0, words, bytes, from: commitHeadBytes / 4, end: 0 };
  }

  /** Commits followed so far. */
  get number(): number {
    return this.#number;
  }

  /** Hash of the newest of them, in hexadecimal; before the first, what that has to link to. */
  get hash(): string {
    return this.#hash.toString('hex');
  }

  /** Time of the newest of them; 0 for none. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Entries in them. */
  get entries(): number {
    return this.#entries;
  }

  /** Checks that `record` is the next commit. */
  follow(record: Buffer): Commit {
    const number = this.#number + 1;
    if (record.length < commitHeadBytes || record.length % 4 !== 0) wrong('its length is impossible');
    if (record.readUInt32LE(field.format) !== format)
      wrong(`its format is ${record.readUInt32LE(field.format)}`);
    if (lengthOf(record, 0) !== record.length) wrong('its length is not the one it states');
    if (numberOf(record) !== number) wrong(`it is numbered ${numberOf(record)}`);
    const previous = record.subarray(field.previous, field.previous + hashBytes);
    if (!this.#hash.equals(previous)) wrong('it does not continue the hash chain');
    if (!isSealed(record)) wrong('its content does not match its hash');
    const timeMs = record.readDoubleLE(field.timeMs);
    if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > timeMsMax) wrong('its time is none');
    if (timeMs < this.#timeMs)
      wrong(`its time is ${this.#timeMs - timeMs} ms before that of the commit before it`);
    const sequence = record.readDoubleLE(field.sequence);
    if (sequence !== this.#entries + 1) {
      wrong(`its first entry has sequence ${sequence} instead of ${this.#entries + 1}`);
    }
    const count = record.readUInt32LE(field.count);
    if (count === 0) wrong('it has no entries');
    this.#number = number;
    this.#hash = Buffer.from(record.subarray(0, hashBytes));
    this.#entries += count;
    this.#timeMs = timeMs;
    return this.#describe(record, count);
  }

  /** Copies the record to where its words are aligned. */
  #describe(record: Buffer, count: number): Commit {
    const commit = this.#commit;
    if (record.length > commit.bytes.length) {
      commit.bytes = Buffer.from(new ArrayBuffer(2 * record.length));
      commit.words = new Int32Array(commit.bytes.buffer);
    }
    record.copy(commit.bytes);
    commit.number = this.#number;
    commit.timeMs = this.#timeMs;
    commit.count = count;
    commit.end = record.length / 4;
    return commit;
  }
}
