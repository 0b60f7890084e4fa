/** The hash chain over commit records: each names its predecessor's hash, the first one names the store. Pure. */
import { createHash } from 'node:crypto';
import { LeiniaoError } from '../errors.js';
import { commitHash, commitHeadBytes, commitLayout, hashBytes, journalFormat } from './batch.js';
import { getDouble } from './entry.js';

/** What the first commit record of a shard links to, so that journals cannot be swapped between stores. */
export function genesisHash(storeId: string, shard: number): Buffer {
  return createHash('sha256').update(`leiniao journal ${journalFormat} ${storeId} ${shard}`).digest();
}

/** Where a chain stands. */
export interface ChainHead {
  /** Number of the last commit record; 0 before the first. */
  number: number;
  hash: Buffer;
  /** Sequence the next entry gets, from 1. */
  nextSequence: number;
  /** Time of the last commit, ms since the epoch. */
  timeMs: number;
}

/** A verified commit record, copied so that its words are aligned. */
export interface Commit {
  readonly number: number;
  readonly timeMs: number;
  readonly count: number;
  readonly words: Int32Array;
}

/**
 * Checks that `record` follows `head`, moves the head to it and returns the commit.
 *
 * @throws LeiniaoError `data_dir_damaged`, naming the commit
 */
export function follow(head: ChainHead, record: Uint8Array): Commit {
  const number = head.number + 1;
  const fail = (what: string): never => {
    throw new LeiniaoError('data_dir_damaged', `journal commit ${number}: ${what}`);
  };
  if (record.length < commitHeadBytes || record.length % 4 !== 0) fail('its length is impossible');
  const aligned = new Uint8Array(record.length);
  aligned.set(record);
  const words = new Int32Array(aligned.buffer);
  if (words[commitLayout.format] !== journalFormat) fail(`its format is ${words[commitLayout.format]}`);
  if (words[commitLayout.number] !== number) fail(`it is numbered ${words[commitLayout.number]}`);
  if (words[commitLayout.words] !== words.length - commitLayout.entries) fail('its length is wrong');
  const previous = aligned.subarray(commitLayout.previous * 4, commitLayout.previous * 4 + hashBytes);
  if (head.hash.compare(previous) !== 0) fail('it does not follow the commit before it');
  const hash = commitHash(aligned);
  if (hash.compare(aligned, 0, hashBytes) !== 0) fail('its content does not match its hash');
  if (getDouble(words, commitLayout.firstSequence) !== head.nextSequence) fail('an entry is missing');
  const count = words[commitLayout.count]!;
  head.number = number;
  head.hash = hash;
  head.nextSequence += count;
  head.timeMs = getDouble(words, commitLayout.timeMs);
  return { number, timeMs: head.timeMs, count, words };
}
