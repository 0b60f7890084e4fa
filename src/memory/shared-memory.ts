/** Allocates what the threads share. The engine calls it once; every thread gets the same buffers. */
import { Counters } from './counters.js';
import { KeyTable } from './key-table.js';
import { replyLayout, requestLayout } from './layout.js';
import { allocateRing } from './ring.js';
import { StockTable } from './stock-table.js';
import { ThreadTable } from './thread-table.js';

/** Structured-cloneable: sent to every thread as it starts. */
export interface SharedMemory {
  readonly shards: number;
  readonly acceptors: number;
  /** Of the hashes of names. Random per engine, so that nobody can prepare colliding names. */
  readonly hashSeed: number;
  readonly threads: SharedArrayBuffer;
  readonly stock: SharedArrayBuffer;
  /** Lines of shards, then of acceptors. */
  readonly counters: SharedArrayBuffer;
  /** By shard. */
  readonly keys: readonly SharedArrayBuffer[];
  /** By acceptor, then by shard. */
  readonly requests: readonly (readonly SharedArrayBuffer[])[];
  /** By acceptor, then by shard. */
  readonly replies: readonly (readonly SharedArrayBuffer[])[];
}

export interface SharedMemorySize {
  readonly shards: number;
  readonly acceptors: number;
  readonly inFlightMax: number;
  readonly keysPerShardMax: number;
  readonly hashSeed: number;
}

/** Both rings of a pair hold as many records as an acceptor may have in flight. */
export function allocateSharedMemory(size: SharedMemorySize): SharedMemory {
  const capacity = 2 ** Math.ceil(Math.log2(size.inFlightMax));
  const rings = (recordBytes: number) =>
    Array.from({ length: size.acceptors }, () =>
      Array.from({ length: size.shards }, () => allocateRing(capacity, recordBytes)),
    );
  return {
    shards: size.shards,
    acceptors: size.acceptors,
    hashSeed: size.hashSeed,
    threads: ThreadTable.allocate(size.shards, size.acceptors),
    stock: StockTable.allocate(),
    counters: Counters.allocate(size.shards + size.acceptors),
    keys: Array.from({ length: size.shards }, () => KeyTable.allocate(size.keysPerShardMax)),
    requests: rings(requestLayout.bytes),
    replies: rings(replyLayout.bytes),
  };
}
