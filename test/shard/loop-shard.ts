/** A shard over rings, loop and store that a test turns by hand, and what is on its way to it and back. */

import { expect } from 'vitest';
import { durabilities } from '../../dist/config.js';
import { KeyTable } from '../../dist/memory/key-table.js';
import { replyLayout, requestLayout } from '../../dist/memory/layout.js';
import { type Reply, readReply } from '../../dist/memory/records.js';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { allocateSharedMemory, type SharedMemory } from '../../dist/memory/shared-memory.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { ShardState as Lifecycle, ThreadTable } from '../../dist/memory/thread-table.js';
import { Commands } from '../../dist/shard/commands.js';
import { ShardLoop } from '../../dist/shard/loop.js';
import { applyCommit } from '../../dist/shard/recover.js';
import { ShardState } from '../../dist/shard/state.js';
import { Batch } from '../../dist/store/batch.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { readText } from '../../dist/text.js';
import { hashSeed, type Request, writeRequest } from '../support/requests.js';
import type { Answer, ShardModel } from '../support/shard-model.js';
import { keysMax, storeId } from './model-actions.js';
import { answered, compareReply } from './model-compare.js';

const acceptors = 2;
const ringCapacity = 16;
export const flushDelayMs = 1_000;
/** Requests that a change to a sale makes at most, the orders in between included. */
export const changeMax = 13;

/** A shard as service.ts puts it together, but turned by hand and with a clock of the test's. */
export class LoopShard {
  readonly state: ShardState;
  readonly foreign: KeyTable;
  readonly memory: SharedMemory;
  readonly loop: ShardLoop;
  readonly store: ShardStore;
  readonly requests: RingProducer[];
  readonly replies: RingConsumer[];

  private constructor(options: {
    state: ShardState;
    keyTables: readonly KeyTable[];
    memory: SharedMemory;
    store: ShardStore;
    durability: number;
    clock: () => number;
  }) {
    const { state, keyTables, memory, store, durability, clock } = options;
    this.state = state;
    this.foreign = keyTables[1]!;
    this.memory = memory;
    this.store = store;
    const threads = new ThreadTable(memory.threads, memory.shards);
    threads.begin(1);
    threads.setKeysWhole(1);
    threads.setState(1, Lifecycle.open);
    const batch = new Batch();
    const commands = new Commands({
      state,
      batch,
      durability,
      foreign: [
        {
          keys: this.foreign,
          wholeSince: () => threads.keysWholeSince(1),
          isOpen: () => threads.state(1) === Lifecycle.open,
        },
      ],
    });
    this.loop = new ShardLoop({ shard: 0, memory, state, commands, batch, store, clock });
    this.requests = memory.requests.map((rings) => new RingProducer(rings[0]!, requestLayout.bytes));
    this.replies = memory.replies.map((rings) => new RingConsumer(rings[0]!, replyLayout.bytes));
  }

  static async open(options: {
    path: string;
    durability: number;
    clock: () => number;
    inFlightMax?: number;
  }): Promise<LoopShard> {
    const { inFlightMax = ringCapacity } = options;
    const memory = allocateSharedMemory({
      shards: 2,
      acceptors,
      inFlightMax,
      keysPerShardMax: keysMax,
      hashSeed,
    });
    const keyTables = memory.keys.map((buffer) => new KeyTable(buffer, keysMax));
    const state = new ShardState({
      ordersMax: 60,
      keys: keyTables[0]!,
      stock: new StockTable(memory.stock),
      hashSeed,
    });
    const store = await ShardStore.open(
      {
        path: options.path,
        storeId,
        shard: 0,
        durability: durabilities[options.durability]!,
        existing: false,
        flushDelayMs,
      },
      (commit) => applyCommit(state, commit),
    );
    state.checkCounters();
    state.open();
    return new LoopShard({ ...options, state, keyTables, memory, store });
  }
}

/** What is on its way through the rings, acceptor by acceptor, and what should come back. */
export class Traffic {
  readonly #model: ShardModel;
  readonly #shard: LoopShard;
  readonly #capacity: number;
  readonly #sent: Request[][] = [[], []];
  readonly #expected = new Map<number, { answer: Answer; buyer: string }>();
  /** By acceptor: replies that nobody has drained. */
  readonly #undrained = [0, 0];
  #slot = 0;
  #slots: number[][] = [[], []];
  #first = 0;

  constructor(model: ShardModel, shard: LoopShard) {
    this.#model = model;
    this.#shard = shard;
    this.#capacity = shard.requests[0]!.capacity;
  }

  hasRoom(acceptor: number): boolean {
    return this.#sent[acceptor]!.length < this.#capacity;
  }

  /** Whether that many requests would be taken in one turn. */
  hasRoomForReplies(acceptor: number, count: number): boolean {
    return this.#capacity - this.#undrained[acceptor]! >= count;
  }

  isEmpty(acceptor: number): boolean {
    return this.#sent[acceptor]!.length === 0;
  }

  send(acceptor: number, request: Request): void {
    const ring = this.#shard.requests[acceptor]!;
    const at = ring.claim();
    expect(at).not.toBe(-1);
    const slot = this.#slot++;
    writeRequest(ring, at, request, slot, ~slot);
    this.#sent[acceptor]!.push(request);
    this.#slots[acceptor]!.push(slot);
  }

  /** A turn of the loop, and of the model: acceptors take turns to be first, and room for replies bounds a batch. */
  turn(nowMs: number): void {
    for (const ring of this.#shard.requests) ring.publish();
    let taken = 0;
    const due = this.#model.orders.some((order) => order.status === 'held' && order.expiresAtMs <= nowMs);
    this.#model.expireAll(nowMs);
    for (let i = 0; i < acceptors; i++) {
      const acceptor = (this.#first + i) % acceptors;
      const sent = this.#sent[acceptor]!;
      const count = Math.min(sent.length, this.#capacity - this.#undrained[acceptor]!);
      for (const request of sent.splice(0, count)) {
        const slot = this.#slots[acceptor]!.shift()!;
        const answer = answered(this.#model, request, nowMs);
        // Who asks for an order by its number may not know whose it is.
        const named = ['confirm', 'cancel', 'read', 'nextOfBuyer'].includes(request.op);
        this.#expected.set(slot, { answer, buyer: named ? (answer.order?.buyer ?? '') : '' });
      }
      this.#undrained[acceptor]! += count;
      taken += count;
    }
    this.#first = (this.#first + 1) % acceptors;
    const worked = this.#shard.loop.turn();
    if (taken > 0 || due) expect(worked).toBe(true);
    for (const [acceptor, ring] of this.#shard.requests.entries()) {
      expect(ring.capacity - ring.free()).toBe(this.#sent[acceptor]!.length);
    }
  }

  /** Takes an acceptor's replies: as many as requests were taken, each the one that was asked for. */
  drain(acceptor: number): void {
    const ring = this.#shard.replies[acceptor]!;
    const count = ring.waiting();
    expect(count).toBe(this.#undrained[acceptor]);
    const reply = {} as Reply;
    for (let i = 0; i < count; i++) {
      const at = ring.at(i);
      readReply(ring.words, ring.doubles, at, reply);
      const slot = ring.words[at + replyLayout.slot]!;
      expect(ring.words[at + replyLayout.generation]).toBe(~slot);
      const expected = this.#expected.get(slot);
      expect(expected).toBeDefined();
      this.#expected.delete(slot);
      compareReply(reply, expected!.answer);
      const buyerBytes = ring.words[at + replyLayout.buyerBytes]!;
      expect(readText(ring.bytes, (at + replyLayout.buyer) * 4, buyerBytes)).toBe(expected!.buyer);
    }
    ring.release(count);
    this.#undrained[acceptor] = 0;
  }
}
