/**
 * An engine on one thread: catalogue, sale control, order desk, dispatcher, rings, shard loops and stores are the real
 * ones; threads, sockets and time are the simulation's. It is put together as engine.ts does it.
 */
import { join } from 'node:path';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { OrderDesk } from '#dist/acceptor/order-desk.js';
import { SaleControl } from '#dist/engine/sale-control.js';
import { allocateSharedMemory, type SharedMemory } from '#dist/memory/shared-memory.js';
import { StockTable } from '#dist/memory/stock-table.js';
import { ShardState as Lifecycle, ThreadTable } from '#dist/memory/thread-table.js';
import { Catalogue, type SaleRecord } from '#dist/sale/catalogue.js';
import { OrderIds } from '#dist/sale/order-id.js';
import type { ShardLoop } from '#dist/shard/loop.js';
import { openShard } from '#dist/shard/open-shard.js';
import { UnsettledPut } from '#dist/store/catalogue-store.js';
import { FaultyStore } from './faulty-store.js';
import { HandTurnedLoop, settleMicrotasks } from './hand-turned-loop.js';
import { InjectedFault, type World } from './world.js';

export const storeId = '5eed5eed5eed5eed5eed5eed5eed5eed';
export const replyDeadlineMs = 400;
/** Turns after which a start that waits for nothing but turns must be through. */
const restoreTurnsMax = 2_000;
const ordersMax = 2_000;
const hashSeed = 0x5eed;
const flushDelayMs = 20;

interface Shard {
  readonly loop: ShardLoop;
  readonly store: FaultyStore;
}

export class SimulatedProcess {
  readonly #world: World;
  readonly #memory: SharedMemory;
  readonly #threads: ThreadTable;
  readonly #eventLoop: HandTurnedLoop;
  readonly #dispatcher: Dispatcher;
  readonly #shards: (Shard | undefined)[];
  readonly #startWallMs: number;
  readonly #startMonotonicMs: number;
  #aheadMs = 0;
  readonly desk: OrderDesk;
  readonly control: SaleControl;
  /** What the simulation did not do to it. */
  readonly defects: unknown[] = [];
  /** Whether the next change to a sale meets a disk that fails. */
  recordFault = false;
  /** What `settle` will find, after a change whose outcome was not known. */
  #unsettledIsStored = false;
  /** Resolves when the process is no more. */
  readonly gone: Promise<'gone'>;
  readonly #end: () => void;

  private constructor(world: World, inFlightMax: number) {
    this.#world = world;
    const { shards } = world;
    this.#memory = allocateSharedMemory({
      shards,
      acceptors: 1,
      inFlightMax,
      keysPerShardMax: ordersMax,
      hashSeed,
    });
    this.#threads = new ThreadTable(this.#memory.threads, shards);
    this.#eventLoop = new HandTurnedLoop(() => world.monotonicMs);
    this.#startWallMs = world.wallMs;
    this.#startMonotonicMs = world.monotonicMs;
    this.#shards = new Array(shards).fill(undefined);
    const clock = () => this.nowMs;
    this.#dispatcher = new Dispatcher({
      ...{ memory: this.#memory, acceptor: 0, inFlightMax, replyDeadlineMs, clock },
      eventLoop: this.#eventLoop,
      onDefect: (error) => this.defects.push(error),
    });
    const catalogue = new Catalogue(shards);
    const stock = new StockTable(this.#memory.stock);
    const ids = OrderIds.ofStore(storeId, shards);
    const dispatcher = this.#dispatcher;
    const records = {
      put: (record: SaleRecord) => this.#putRecord(record),
      settle: () => this.#settleRecord(),
    };
    this.control = new SaleControl({
      catalogue,
      dispatcher,
      stock,
      records,
      clock,
      onFailure: () => undefined,
      eventLoop: this.#eventLoop,
    });
    this.desk = new OrderDesk({ dispatcher, catalogue, stock, ids, clock });
    let end = (): void => undefined;
    this.gone = new Promise((resolve) => {
      end = () => resolve('gone');
    });
    this.#end = end;
  }

  /** Starts on what is in the world's data folder. */
  static async start(world: World, inFlightMax: number): Promise<SimulatedProcess> {
    const process = new SimulatedProcess(world, inFlightMax);
    for (let shard = 0; shard < world.shards; shard++) await process.#openShard(shard);
    const newest = Array.from({ length: world.shards }, (_, shard) => process.#threads.lastTime(shard));
    process.#aheadMs = Math.max(0, Math.ceil(Math.max(...newest) - process.nowMs));
    let restored = false;
    const revisions = Array.from({ length: world.shards }, (_, shard) =>
      process.#threads.newestRevision(shard),
    );
    process.control.takeIn([...world.records.values()], Math.max(...revisions));
    const restoring = process.control.restore();
    const note = (): void => {
      restored = true;
    };
    restoring.then(note, note);
    for (let turns = 0; !restored; turns++) {
      if (turns > restoreTurnsMax) throw new Error('the sales were never restored');
      process.turn();
      for (let shard = 0; shard < world.shards; shard++) process.turnShard(shard);
      await settleMicrotasks();
    }
    await restoring;
    return process;
  }

  /** The engine's time: it goes on steadily from when the process started, whatever is done to the machine's clock. */
  get nowMs(): number {
    return Math.floor(this.#startWallMs + this.#world.monotonicMs - this.#startMonotonicMs + this.#aheadMs);
  }

  isUp(shard: number): boolean {
    return this.#shards[shard] !== undefined;
  }

  /** A turn of the acceptor's event loop. */
  turn(): void {
    this.#eventLoop.turn();
  }

  /** A turn of a shard's loop. Resolves to whether there was anything to do. */
  turnShard(shard: number): boolean {
    try {
      return this.#shards[shard]?.loop.turn() ?? false;
    } catch (error) {
      if (!(error instanceof InjectedFault)) this.defects.push(error);
      this.#lost.push({ shard, store: this.#shards[shard]!.store });
      this.#shards[shard] = undefined;
      this.#threads.setState(shard, Lifecycle.recovering);
      this.#dispatcher.abandon(shard);
      return true;
    }
  }

  /** Shards that failed and have not been cleared away. */
  readonly #lost: { readonly shard: number; readonly store: FaultyStore }[] = [];

  /** Clears away the shards that have failed: what is left of them is on disk. */
  async bury(): Promise<void> {
    for (const { store } of this.#lost.splice(0)) await store.abandon();
  }

  /** Ends a shard between two of its turns. */
  crashShard(shard: number): void {
    const { store } = this.#shards[shard]!;
    this.#lost.push({ shard, store });
    this.#shards[shard] = undefined;
    this.#threads.setState(shard, Lifecycle.recovering);
    this.#dispatcher.abandon(shard);
  }

  /** The store of a shard that is up, to arm a fault in. */
  storeOf(shard: number): FaultyStore {
    return this.#shards[shard]!.store;
  }

  async restartShard(shard: number): Promise<void> {
    await this.bury();
    await this.#openShard(shard);
    void this.control.retell(shard).catch((error: unknown) => this.defects.push(error));
  }

  /** Ends at once, as `kill -9` does. */
  async kill(): Promise<void> {
    this.#end();
    await this.bury();
    for (const shard of this.#shards) await shard?.store.abandon();
    this.#shards.fill(undefined);
  }

  /** Lets the shards finish and closes the stores. Nothing must be under way. */
  async close(): Promise<void> {
    await this.bury();
    for (const shard of this.#shards) await shard?.store.close();
    this.#shards.fill(undefined);
    this.#end();
  }

  async #openShard(shard: number): Promise<void> {
    const { path, durability } = this.#world;
    const folder = join(path, `shard-${shard}`);
    let guard: FaultyStore | undefined;
    const { loop } = await openShard({
      memory: this.#memory,
      store: { path: folder, storeId, shard, durability, existing: false, flushDelayMs },
      ordersMax,
      clock: () => this.nowMs,
      guard: (store) => {
        guard = new FaultyStore(store, folder, this.#world.onFailure);
        return guard;
      },
    });
    this.#shards[shard] = { loop, store: guard! };
  }

  /** The catalogue's disk: what is put there is there whatever becomes of the process. */
  async #putRecord(record: SaleRecord): Promise<void> {
    const fault = this.recordFault;
    this.recordFault = false;
    const world = this.#world;
    if (!fault) {
      world.records.set(record.id, structuredClone(record));
    } else if (world.chance(0.5)) {
      world.onFailure('failed records');
      throw new InjectedFault('the catalogue could not be written');
    } else {
      world.onFailure('unsettled records');
      this.#unsettledIsStored = world.chance(0.5);
      if (this.#unsettledIsStored) world.records.set(record.id, structuredClone(record));
      throw new UnsettledPut([], 'the catalogue could not be written, and not be read either');
    }
  }

  async #settleRecord(): Promise<boolean> {
    if (this.#world.chance(0.5)) throw new UnsettledPut([], 'the catalogue still cannot be read');
    return this.#unsettledIsStored;
  }
}
