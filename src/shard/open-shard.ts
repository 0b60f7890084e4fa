/**
 * Puts a shard together and opens it: its state is rebuilt from the store, checked, and shown to the others, in the order
 * that they rely on. In the shard's thread.
 */
import { AssertionFailure } from '../assert.js';
import type { Clock } from '../clock.js';
import { durabilities } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { KeyTable } from '../memory/key-table.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { StockTable } from '../memory/stock-table.js';
import { ShardState as Lifecycle, ThreadTable } from '../memory/thread-table.js';
import { Batch } from '../store/batch.js';
import type { Commit } from '../store/chain.js';
import { ShardStore, type ShardStoreOptions } from '../store/shard-store.js';
import { Commands } from './commands.js';
import type { ForeignKeys } from './key-claims.js';
import { type LoopStore, ShardLoop } from './loop.js';
import { applyCommit } from './recover.js';
import { ShardState } from './state.js';

export interface OpenShard {
  readonly loop: ShardLoop;
  readonly store: ShardStore;
}

/**
 * Opens a shard. From then on it owns its rows, and its loop has to be turned.
 *
 * @param options.recovered called when all of the store has been read and found right, before anything is written to it;
 *   what it throws ends the opening
 * @param options.betweenCommits called after each commit that is read back; what it throws ends the opening
 * @param options.guard stands between the loop and the store, for whoever wants to see or spoil what is written
 * @throws LeiniaoError `data_dir_damaged` where the journal contradicts itself; what the store throws
 */
export async function openShard(options: {
  readonly memory: SharedMemory;
  readonly store: ShardStoreOptions;
  readonly ordersMax: number;
  readonly clock: Clock;
  readonly betweenCommits?: () => void;
  readonly recovered?: (() => void) | undefined;
  readonly guard?: (store: ShardStore) => LoopStore;
}): Promise<OpenShard> {
  const { memory, ordersMax, clock, betweenCommits, recovered, guard = (store) => store } = options;
  const { shard, durability } = options.store;
  const threads = new ThreadTable(memory.threads, memory.shards);
  threads.begin(shard);
  const tables = memory.keys.map((buffer) => new KeyTable(buffer, ordersMax));
  const stock = new StockTable(memory.stock);
  const state = new ShardState({ ordersMax, keys: tables[shard]!, stock, hashSeed: memory.hashSeed });
  const visit = (commit: Commit) => {
    applyCommit(state, commit);
    betweenCommits?.();
  };
  const store = await ShardStore.open(options.store, visit, (lastTimeMs) => {
    requireExact(state, shard);
    threads.setLastTime(shard, lastTimeMs);
    threads.setNewestRevision(shard, state.newestRevision);
    recovered?.();
  });
  try {
    const batch = durability === 'memory' ? undefined : new Batch();
    const foreign = foreignKeys(tables, shard, threads);
    const commands = new Commands({ state, batch, durability: durabilities.indexOf(durability), foreign });
    const loop = new ShardLoop({ shard, memory, state, commands, batch, store: guard(store), clock });
    loop.discardOld();
    state.open();
    threads.setKeysWhole(shard);
    threads.setState(shard, Lifecycle.open);
    return { loop, store };
  } catch (error) {
    // Why the shard cannot be opened matters more than what closing says.
    await store.abandon().catch(() => undefined);
    throw error;
  }
}

/** A journal whose orders contradict its counters is damaged, and stays so however often it is read. */
function requireExact(state: ShardState, shard: number): void {
  try {
    state.checkCounters();
  } catch (cause) {
    if (!(cause instanceof AssertionFailure)) throw cause;
    throw new LeiniaoError('data_dir_damaged', `shard ${shard}: ${cause.message}`, { cause });
  }
}

function foreignKeys(tables: readonly KeyTable[], shard: number, threads: ThreadTable): ForeignKeys[] {
  const foreign: ForeignKeys[] = [];
  for (const [other, keys] of tables.entries()) {
    if (other === shard) continue;
    foreign.push({
      keys,
      wholeSince: () => threads.keysWholeSince(other),
      isOpen: () => threads.state(other) === Lifecycle.open,
    });
  }
  return foreign;
}
