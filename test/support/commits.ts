/** Commit records for tests of the store: sealed as a shard seals them, with entries that say which commit they are in. */
import { Batch, commitLayout } from '../../dist/store/batch.js';
import { type ChainHead, type Commit, genesisHash } from '../../dist/store/chain.js';
import { EntryType } from '../../dist/store/entry.js';

export const storeId = '00112233445566778899aabbccddeeff';

export const genesis = (store = storeId, shard = 0): ChainHead => ({
  number: 0,
  hash: genesisHash(store, shard),
  nextSequence: 1,
  timeMs: 0,
});

/** Fills a batch with `count` entries about the orders from `first`. */
export function fill(batch: Batch, first: number, count: number): Batch {
  for (let i = 0; i < count; i++) batch.settled(EntryType.confirmed, first + i);
  return batch;
}

/** A chain of records with the given numbers of entries. */
export function chain(counts: readonly number[], head: ChainHead = genesis()): Buffer[] {
  const batch = new Batch();
  let { number, hash, nextSequence } = head;
  return counts.map((count) => {
    number += 1;
    fill(batch, number * 1_000, count);
    const record = Buffer.from(batch.seal(number, 1_000 + number, nextSequence, hash));
    batch.clear();
    nextSequence += count;
    hash = Buffer.from(record.subarray(0, 32));
    return record;
  });
}

/** What a visitor was given, in a form that can be compared. */
export function seen(commit: Commit): { number: number; timeMs: number; count: number; record: Buffer } {
  const { number, timeMs, count, words } = commit;
  return { number, timeMs, count, record: Buffer.from(words.buffer, words.byteOffset, words.byteLength) };
}

/** The same of a record that was never stored. */
export function seenOf(record: Buffer): ReturnType<typeof seen> {
  return {
    number: record.readInt32LE(commitLayout.number * 4),
    timeMs: record.readDoubleLE(commitLayout.timeMs * 4),
    count: record.readInt32LE(commitLayout.count * 4),
    record,
  };
}
