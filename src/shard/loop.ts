/**
 * The shard loop: drain → decide → commit → reply, synchronous from end to end, in the shard's thread. While one
 * batch is being committed the next gathers in the rings.
 */
import { assert } from '../assert.js';
import type { Clock } from '../clock.js';
import { limits } from '../config.js';
import { Counters, ShardCount } from '../memory/counters.js';
import type { Doorbell } from '../memory/doorbell.js';
import { replyLayout, requestLayout } from '../memory/layout.js';
import { Opcode, writeReply } from '../memory/records.js';
import { RingConsumer, RingProducer } from '../memory/ring.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { ThreadTable } from '../memory/thread-table.js';
import { Status } from '../sale/order-state.js';
import { Outcome } from '../sale/outcome.js';
import type { Batch } from '../store/batch.js';
import type { ShardStore } from '../store/shard-store.js';
import { copyWords } from '../text.js';
import type { Commands } from './commands.js';
import type { ShardState } from './state.js';

/** Requests whose buyers are looked ahead at together. */
const lanes = limits.lookAheadLanes;
const replyWords = replyLayout.bytes / 4;

/** By outcome: where an order that was placed is counted. */
const placedAs = Object.values(Outcome).map((outcome) => {
  if (outcome === Outcome.done) return ShardCount.accepted;
  return outcome === Outcome.replayed ? ShardCount.replayed : ShardCount.refused;
});

interface Link {
  readonly requests: RingConsumer;
  readonly replies: RingProducer;
  readonly doorbell: Doorbell;
}

/** What the loop needs of a store. */
export type LoopStore = Pick<ShardStore, 'lastTimeMs' | 'flushes' | 'flushAtMs' | 'write' | 'flush'>;

export class ShardLoop {
  readonly #shard: number;
  readonly #links: readonly Link[];
  readonly #threads: ThreadTable;
  readonly #doorbell: Doorbell;
  readonly #counters: Counters;
  readonly #state: ShardState;
  readonly #commands: Commands;
  readonly #batch: Batch | undefined;
  readonly #store: LoopStore;
  readonly #clock: Clock;
  /** Replies that wait for the commit, laid out as in the ring, link by link. */
  readonly #staging: Int32Array;
  readonly #stagingDoubles: Float64Array;
  readonly #stagingLinks: Uint16Array;
  #stagedCount = 0;
  /** Of the buyers of the group at hand. */
  readonly #hashes = new Int32Array(lanes);
  #nextLink = 0;
  /** The clock at this turn's start. */
  #clockMs = 0;
  /** The batch's time. */
  #nowMs: number;

  constructor(options: {
    shard: number;
    memory: SharedMemory;
    state: ShardState;
    commands: Commands;
    batch: Batch | undefined;
    store: LoopStore;
    clock: Clock;
  }) {
    const { shard, memory } = options;
    this.#shard = shard;
    this.#threads = new ThreadTable(memory.threads, memory.shards);
    this.#doorbell = this.#threads.shardDoorbell(shard);
    this.#counters = new Counters(memory.counters, shard);
    this.#links = memory.requests.map((_, acceptor) => ({
      requests: new RingConsumer(memory.requests[acceptor]![shard]!, requestLayout.bytes),
      replies: new RingProducer(memory.replies[acceptor]![shard]!, replyLayout.bytes),
      doorbell: this.#threads.acceptorDoorbell(acceptor),
    }));
    this.#state = options.state;
    this.#commands = options.commands;
    this.#batch = options.batch;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#staging = new Int32Array(limits.batchCountMax * replyWords);
    this.#stagingDoubles = new Float64Array(this.#staging.buffer);
    this.#stagingLinks = new Uint16Array(limits.batchCountMax);
    // A decision is never made earlier than one that is already in the store.
    this.#nowMs = options.store.lastTimeMs;
  }

  /**
   * Passes over what the rings still hold from before this shard was started: who sent it has been told that the shard
   * was gone. Before the shard is open, so nobody adds to it meanwhile.
   */
  discardOld(): void {
    for (const { requests } of this.#links) requests.release(requests.waiting());
  }

  /**
   * Runs until a stop is requested and no more can be answered: the rings are empty, or nobody takes the replies. Throws
   * when the store fails: the shard is then lost.
   */
  run(): void {
    for (;;) {
      const worked = this.turn();
      if (worked) continue;
      if (this.#threads.stopRequested(this.#shard)) return;
      this.#park();
    }
  }

  /** One turn: at most one batch. Returns whether there was anything to do. */
  turn(): boolean {
    this.#clockMs = this.#clock();
    const nowMs = Math.max(this.#nowMs, this.#clockMs);
    this.#nowMs = nowMs;
    const before = this.#commands.orders.expiredCount;
    const passed = this.#expire();
    // Handed down from here: to read it from a field for every order would make an object of the number each time.
    const taken = this.#drain(nowMs);
    this.#counters.add(ShardCount.expired, this.#commands.orders.expiredCount - before);
    this.#state.publishStock();
    this.#commit();
    return taken > 0 || passed > 0;
  }

  #expire(): number {
    const { holds, orders } = this.#state;
    let steps = 0;
    for (; steps < limits.expiriesPerBatchMax; steps++) {
      const number = holds.takeDue(this.#nowMs);
      if (number === -1) break;
      if (orders.status(number) !== Status.held) continue;
      this.#commands.orders.expire(number);
    }
    return steps;
  }

  /** Takes a batch from the rings, starting with another acceptor each time so that none is favoured. */
  #drain(nowMs: number): number {
    const links = this.#links;
    let room = limits.batchCountMax;
    for (let i = 0; i < links.length && room > 0; i++) {
      const index = (this.#nextLink + i) % links.length;
      room -= this.#drainLink(links[index]!, index, room, nowMs);
    }
    this.#nextLink = (this.#nextLink + 1) % links.length;
    return limits.batchCountMax - room;
  }

  #drainLink(link: Link, index: number, room: number, nowMs: number): number {
    const { requests, replies } = link;
    // Every request gets exactly one reply, so a batch takes no more than the reply ring has room for.
    const count = Math.min(requests.waiting(), room, replies.free());
    if (count === 0) return 0;
    let replied = false;
    for (let i = 0; i < count; i += lanes) {
      const group = Math.min(lanes, count - i);
      this.#answerGroup(link, index, group, nowMs);
      requests.release(group);
      this.#state.publishStock();
      // Refusals don't wait for the disk. Whoever polls sees them at once; to wake a thread costs more than to answer.
      if (replies.publish()) replied = true;
      if (!replied || (i + group) % limits.repliesPerRing !== 0) continue;
      link.doorbell.ring();
      replied = false;
    }
    if (replied) link.doorbell.ring();
    return count;
  }

  #answerGroup(link: Link, index: number, count: number, nowMs: number): void {
    const { requests } = link;
    const hashes = this.#hashes;
    // What is no order has no hash there: to fetch for it in vain is cheaper than to look.
    for (let i = 0; i < count; i++) hashes[i] = requests.words[requests.at(i) + requestLayout.buyerHash]!;
    this.#state.buyers.prefetch(hashes, count);
    for (let i = 0; i < count; i++) this.#answer(link, index, requests.at(i), nowMs);
  }

  #answer(link: Link, index: number, at: number, nowMs: number): void {
    const { words, doubles } = link.requests;
    const slot = words[at + requestLayout.slot]!;
    const generation = words[at + requestLayout.generation]!;
    const opcode = words[at + requestLayout.opcode]!;
    const urgency = this.#commands.execute(words, doubles, at, nowMs);
    const { reply } = this.#commands;
    this.#count(opcode, reply.outcome);
    if (urgency === 'at once' || this.#batch === undefined) {
      const { replies } = link;
      const to = replies.claim();
      assert(to !== -1, 'room for the reply was counted');
      writeReply(replies.words, replies.doubles, to, slot, generation, reply);
      if (opcode !== Opcode.place) this.#writeBuyer(opcode, replies.words, to);
      return;
    }
    const to = this.#stagedCount * replyWords;
    writeReply(this.#staging, this.#stagingDoubles, to, slot, generation, reply);
    if (opcode !== Opcode.place) this.#writeBuyer(opcode, this.#staging, to);
    this.#stagingLinks[this.#stagedCount] = index;
    this.#stagedCount += 1;
  }

  /** Replies about an order that the asker may not know carry the buyer. */
  #writeBuyer(opcode: number, words: Int32Array, to: number): void {
    if (opcode >= Opcode.restock) return;
    const { outcome, orderNumber } = this.#commands.reply;
    if (outcome === Outcome.orderNotFound || outcome === Outcome.none) return;
    const { buyers, orders } = this.#state;
    words[to + replyLayout.buyerBytes] = buyers.copyName(
      orders.buyer(orderNumber),
      words,
      to + replyLayout.buyer,
    );
  }

  /** Counts orders and the steps taken from them; reads and the operator's commands are nobody's rate. */
  #count(opcode: number, outcome: Outcome): void {
    if (opcode === Opcode.place) {
      this.#counters.add(placedAs[outcome]!, 1);
    } else if ((opcode === Opcode.confirm || opcode === Opcode.cancel) && outcome === Outcome.done) {
      this.#counters.add(ShardCount.settled, 1);
    }
  }

  /** Stores what the batch accepted, then lets the replies that waited for it go. */
  #commit(): void {
    const entries = this.#batch?.count ?? 0;
    if (entries > 0) {
      const waits = this.#store.flushes;
      if (waits) this.#threads.setBusy(this.#shard, true);
      this.#store.write(this.#batch!, this.#nowMs, this.#clockMs);
      if (waits) this.#threads.setBusy(this.#shard, false);
      this.#counters.add(ShardCount.commits, 1);
      this.#counters.add(ShardCount.entries, entries);
    }
    this.#sendStaged();
    if (this.#clockMs < this.#store.flushAtMs) return;
    this.#threads.setBusy(this.#shard, true);
    this.#store.flush();
    this.#threads.setBusy(this.#shard, false);
  }

  #sendStaged(): void {
    if (this.#stagedCount === 0) return;
    for (let i = 0; i < this.#stagedCount; i++) {
      const { replies } = this.#links[this.#stagingLinks[i]!]!;
      const to = replies.claim();
      assert(to !== -1, 'room for the reply was counted');
      copyWords(this.#staging, i * replyWords, replies.words, to, replyWords);
    }
    this.#stagedCount = 0;
    for (const { replies, doorbell } of this.#links) {
      if (replies.publish()) doorbell.ring();
    }
  }

  #park(): void {
    this.#doorbell.announce();
    const work = this.#pending();
    if (work === 'some' || this.#threads.stopRequested(this.#shard)) {
      this.#doorbell.retract();
      return;
    }
    const due = Math.min(this.#state.holds.nextDeadlineMs, this.#store.flushAtMs);
    const patienceMs = work === 'blocked' ? limits.replyRoomPollMs : limits.parkMsMax;
    const waitMs = Math.min(patienceMs, due - this.#clock());
    if (waitMs > 0) this.#doorbell.wait(waitMs);
    else this.#doorbell.retract();
  }

  /** Whether requests wait; `blocked` when they do but their acceptor has no room for the replies. */
  #pending(): 'none' | 'some' | 'blocked' {
    let pending: 'none' | 'blocked' = 'none';
    for (const { requests, replies } of this.#links) {
      if (requests.waiting() === 0) continue;
      if (replies.free() > 0) return 'some';
      pending = 'blocked';
    }
    return pending;
  }
}
