/**
 * Carries requests from one acceptor's thread to the shards and their replies back: claims in-flight slots, fills records
 * of the request rings, and once per turn of the event loop, or sooner where it is much, sends what the turn gathered; then
 * takes what has come back. HTTP requests and the embedding API's calls go through here alike.
 */
import type { Clock } from '../clock.js';
import { limits } from '../config.js';
import { AcceptorCount, Counters } from '../memory/counters.js';
import type { Doorbell } from '../memory/doorbell.js';
import { requestLayout } from '../memory/layout.js';
import { newReply, Opcode } from '../memory/records.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { ShardState, ThreadTable } from '../memory/thread-table.js';
import type { CatalogueSale, CatalogueSku } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';
import type { SaleState } from '../sale/phase.js';
import { type EventLoop, threadEventLoop } from './event-loop.js';
import { InFlightTable, type ReplySink } from './in-flight.js';
import { ReplyRings } from './reply-rings.js';
import {
  type PackedOrders,
  writeDefine,
  writeNextOfBuyer,
  writeOrder,
  writePacked,
  writePlace,
  writeRemove,
  writeRestock,
  writeSale,
} from './request-records.js';
import { type Link, RequestRings } from './request-rings.js';

/** Somebody with more requests than there was room for. */
export interface Waiter {
  /** Called once there may be room. */
  resume(): void;
}

/** Whether a request is on its way, or why not. */
export type Dispatched = 'dispatched' | 'overloaded' | 'recovering';

export class Dispatcher {
  readonly #requests: RequestRings;
  readonly #replies: ReplyRings;
  readonly #threads: ThreadTable;
  readonly #doorbell: Doorbell;
  readonly #counters: Counters;
  readonly #inFlight: InFlightTable;
  readonly #clock: Clock;
  readonly #replyDeadlineMs: number;
  readonly #hashSeed: number;
  readonly #onDefect: (error: unknown) => void;
  /** Slots that batches leave to single requests and to the operator. */
  readonly #reserved: number;
  readonly #turn = () => this.#runTurn();
  readonly #loop: EventLoop;
  /** Whether a sweep is to come: only while anything is in flight, so that an idle engine is not woken. */
  #sweeping = false;
  #closed = false;
  #scheduled = false;
  #waiting = false;
  #idleTurns = 0;
  #waiters: Waiter[] = [];
  #nowMs: number;
  #drained: (() => void) | undefined = undefined;

  constructor(options: {
    memory: SharedMemory;
    acceptor: number;
    inFlightMax: number;
    replyDeadlineMs: number;
    clock: Clock;
    /** Told of an exception in a sink: a defect of ours. */
    onDefect: (error: unknown) => void;
    eventLoop?: EventLoop;
  }) {
    const { memory, acceptor } = options;
    this.#threads = new ThreadTable(memory.threads, memory.shards);
    this.#doorbell = this.#threads.acceptorDoorbell(acceptor);
    this.#counters = new Counters(memory.counters, memory.shards + acceptor);
    this.#hashSeed = memory.hashSeed;
    this.#inFlight = new InFlightTable(options.inFlightMax, options.onDefect);
    this.#requests = new RequestRings(memory, acceptor, this.#threads);
    this.#replies = new ReplyRings(memory, acceptor, this.#inFlight, this.#counters);
    this.#reserved = Math.floor(options.inFlightMax / limits.inFlightReservedShare);
    this.#loop = options.eventLoop ?? threadEventLoop;
    this.#clock = options.clock;
    this.#nowMs = options.clock();
    this.#replyDeadlineMs = options.replyDeadlineMs;
    this.#onDefect = options.onDefect;
  }

  get shards(): number {
    return this.#requests.links.length;
  }

  /** Whether every shard is open. */
  get allOpen(): boolean {
    return this.#requests.links.every(({ shard }) => this.isOpen(shard));
  }

  isOpen(shard: number): boolean {
    return this.#threads.state(shard) === ShardState.open;
  }

  /** The time, at most a turn of the event loop old: under load it is read once per turn, not per request. */
  get nowMs(): number {
    return this.#scheduled ? this.#nowMs : this.#clock();
  }

  /** A time that has been, ms since the epoch: on an idle engine it may be long ago. It costs nothing. */
  get seenMs(): number {
    return this.#nowMs;
  }

  /** Sends an order to the owner of its SKU. The caller has checked every value. */
  place(
    sku: CatalogueSku,
    buyer: string,
    quantity: number,
    key: string,
    sink: ReplySink,
    token: number,
  ): Dispatched {
    const at = this.#claim(sku.shard, Opcode.place, sink, token);
    if (typeof at === 'string') return at;
    writePlace(this.#requests.links[sku.shard]!.requests, at, sku, buyer, quantity, key, this.#hashSeed);
    return 'dispatched';
  }

  /**
   * Sends orders `from` to `to` of a batch, all for the same SKU, to its owner, and returns how many there was room for:
   * where that is not all, one counts as overloaded. Returns `recovering`, and sends none, where the owner is not open. The
   * token of each is its index.
   *
   * @param patient whether the caller can wait for room, and so leaves the last slots to those who cannot
   */
  placePacked(
    sku: CatalogueSku,
    orders: PackedOrders,
    from: number,
    to: number,
    sink: ReplySink,
    patient: boolean,
  ): number | 'recovering' {
    const link = this.#open(sku.shard);
    if (link === undefined) return 'recovering';
    const { words } = link.requests;
    const deadlineMs = this.#nowMs + this.#replyDeadlineMs;
    const spared = patient ? this.#reserved : 0;
    let index = from;
    for (; index < to; index++) {
      const at = this.#claimOn(link, Opcode.place, sink, index, deadlineMs, spared);
      if (at === -1) break;
      writePacked(words, at, sku, orders, index, this.#hashSeed);
    }
    this.#claimed(index - from, index < to);
    return index - from;
  }

  /** Sends a confirm, cancel or read of an order to its shard. */
  order(
    opcode: typeof Opcode.confirm | typeof Opcode.cancel | typeof Opcode.read,
    shard: number,
    number: number,
    sink: ReplySink,
    token: number,
  ): Dispatched {
    const at = this.#claim(shard, opcode, sink, token);
    if (typeof at === 'string') return at;
    writeOrder(this.#requests.links[shard]!.requests, at, number);
    return 'dispatched';
  }

  /** Asks a shard for a buyer's first order in a sale, or for the one after `after`. */
  nextOfBuyer(
    shard: number,
    saleNumber: number,
    buyer: string,
    after: number,
    sink: ReplySink,
    token: number,
  ): Dispatched {
    const at = this.#claim(shard, Opcode.nextOfBuyer, sink, token);
    if (typeof at === 'string') return at;
    writeNextOfBuyer(this.#requests.links[shard]!.requests, at, saleNumber, buyer, after);
    return 'dispatched';
  }

  /** Sends a restock, or a withdrawal where the quantity is negative, to the owner of the SKU. */
  restock(sku: CatalogueSku, quantity: number, key: string, sink: ReplySink, token: number): Dispatched {
    const at = this.#claim(sku.shard, Opcode.restock, sink, token);
    if (typeof at === 'string') return at;
    writeRestock(this.#requests.links[sku.shard]!.requests, at, sku, quantity, key);
    return 'dispatched';
  }

  /** Sends a SKU's definition to its owner. */
  define(sku: CatalogueSku, spread: boolean, sink: ReplySink, token: number): Dispatched {
    const at = this.#claim(sku.shard, Opcode.define, sink, token);
    if (typeof at === 'string') return at;
    writeDefine(this.#requests.links[sku.shard]!.requests, at, sku, spread);
    return 'dispatched';
  }

  /** Tells a shard to forget a SKU that no order was ever placed for. */
  remove(sku: CatalogueSku, sink: ReplySink, token: number): Dispatched {
    const at = this.#claim(sku.shard, Opcode.remove, sink, token);
    if (typeof at === 'string') return at;
    writeRemove(this.#requests.links[sku.shard]!.requests, at, sku);
    return 'dispatched';
  }

  /** Sends a sale-wide command to one of the sale's owners. */
  sale(
    opcode: typeof Opcode.control | typeof Opcode.freeze | typeof Opcode.unfreeze,
    sale: CatalogueSale,
    shard: number,
    state: SaleState,
    sink: ReplySink,
    token: number,
  ): Dispatched {
    const at = this.#claim(shard, opcode, sink, token);
    if (typeof at === 'string') return at;
    writeSale(this.#requests.links[shard]!.requests, at, sale, state);
    return 'dispatched';
  }

  /** Has a shard get memory ready; the opcode is all there is to say. */
  prepare(shard: number, sink: ReplySink, token: number): Dispatched {
    const at = this.#claim(shard, Opcode.prepare, sink, token);
    return typeof at === 'string' ? at : 'dispatched';
  }

  /** Claims a slot and a record and fills in the record's head; the caller fills in the rest at once. */
  #claim(shard: number, opcode: Opcode, sink: ReplySink, token: number): number | Dispatched {
    const link = this.#open(shard);
    if (link === undefined) return 'recovering';
    // Nobody waits at a screen for the operator's commands, and one that is given up is left half done.
    const patienceMs = opcode >= Opcode.restock ? limits.controlReplyMsMax : this.#replyDeadlineMs;
    const at = this.#claimOn(link, opcode, sink, token, this.#nowMs + patienceMs, 0);
    this.#claimed(at === -1 ? 0 : 1, at === -1);
    return at === -1 ? 'overloaded' : at;
  }

  /** The link to a shard, or undefined where it is not open. */
  #open(shard: number): Link | undefined {
    // A scheduled turn has read the clock and the shards' states lately; after a rest they may be anything.
    if (!this.#scheduled) this.#look();
    const link = this.#requests.links[shard]!;
    return link.open ? link : undefined;
  }

  /**
   * The same as `#claim` on a link that is open, but for what `#claimed` does. Returns -1 where there is no room.
   *
   * @param spared slots that are left to others
   */
  #claimOn(
    link: Link,
    opcode: Opcode,
    sink: ReplySink,
    token: number,
    deadlineMs: number,
    spared: number,
  ): number {
    const inFlight = this.#inFlight;
    const at = inFlight.free <= spared ? -1 : this.#requests.claim(link);
    if (at === -1) return -1;
    const slot = inFlight.claim(sink, token, link.shard, deadlineMs);
    const { words } = link.requests;
    words[at + requestLayout.opcode] = opcode;
    words[at + requestLayout.slot] = slot;
    words[at + requestLayout.generation] = inFlight.generation(slot);
    return at;
  }

  /** Counts what was claimed, and sees to it that it is sent. */
  #claimed(count: number, overloaded: boolean): void {
    if (overloaded) this.#counters.add(AcceptorCount.overloaded, 1);
    if (count === 0) return;
    this.#counters.add(AcceptorCount.dispatched, count);
    this.#schedule();
  }

  /** Reads the clock and the shards' states, once per turn. */
  #look(): void {
    this.#nowMs = this.#clock();
    this.#requests.look();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#loop.soon(this.#turn);
    this.#startSweeper();
  }

  /** Once per turn of the event loop while anything is in flight: publish what the turn gathered, drain replies. */
  #runTurn(): void {
    this.#scheduled = false;
    const before = this.#nowMs;
    this.#look();
    const owesRing = this.#requests.deliver(this.#nowMs - before);
    const settled = this.#replies.drain();
    if (this.#waiters.length > 0) this.#resumeWaiters();
    if (this.#inFlight.count === 0) {
      this.#idleTurns = 0;
      this.#drained?.();
      if (owesRing) this.#schedule();
      return;
    }
    this.#idleTurns = settled > 0 ? 0 : this.#idleTurns + 1;
    if (owesRing || (this.#idleTurns <= limits.replyPollTurnsMax && !this.#allBusy())) this.#schedule();
    else this.#waitForDoorbell();
  }

  /** Asks to be resumed when there may be room. Returns false when too many wait already, or nothing is in flight. */
  awaitRoom(waiter: Waiter): boolean {
    if (this.#waiters.length >= limits.waitersMax || this.#inFlight.count === 0) return false;
    this.#waiters.push(waiter);
    return true;
  }

  #resumeWaiters(): void {
    // Each turn another one chooses first: a long batch does not keep a later one waiting until it is through.
    const [first, ...others] = this.#waiters;
    this.#waiters = [];
    for (const waiter of [...others, first!]) {
      try {
        waiter.resume();
      } catch (error) {
        this.#onDefect(error);
      }
    }
  }

  /** Whether every shard is in a flush: polling would only take a core from it. */
  #allBusy(): boolean {
    for (let shard = 0; shard < this.#requests.links.length; shard++) {
      if (!this.#threads.busy(shard)) return false;
    }
    return true;
  }

  /** The buyer that a reply about an order carries. Only while that reply is being settled. */
  replyBuyer(): string {
    return this.#replies.buyer();
  }

  #waitForDoorbell(): void {
    if (this.#waiting) return;
    this.#doorbell.announce();
    if (this.#replies.anyWaiting) {
      this.#doorbell.retract();
      this.#schedule();
      return;
    }
    const rung = this.#loop.rung(this.#doorbell, limits.replyWaitMsMax);
    if (rung === undefined) {
      this.#schedule();
      return;
    }
    this.#waiting = true;
    void rung.then(() => {
      this.#waiting = false;
      this.#doorbell.retract();
      this.#idleTurns = 0;
      if (this.#scheduled) return;
      this.#scheduled = true;
      this.#runTurn();
    });
  }

  /** Ends requests past their deadline. */
  #sweep(): void {
    this.#sweeping = false;
    if (this.#inFlight.count === 0 || this.#closed) return;
    this.#startSweeper();
    this.#look();
    // After a long turn this may come before the one that looks for replies: who has one by now is not to be told otherwise.
    const settled = this.#replies.drain();
    const late = this.#inFlight.expire(this.#nowMs, newReply(Outcome.timeout));
    this.#counters.add(AcceptorCount.timedOut, late);
    if (settled + late > 0) this.#schedule();
  }

  #startSweeper(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#loop.later(() => this.#sweep(), limits.replySweepMs);
  }

  /**
   * Ends what waits for a shard that has gone: its callers are told to try again. Nothing is sent to it until it is
   * open once more.
   */
  abandon(shard: number): void {
    this.#requests.abandon(this.#requests.links[shard]!);
    // What the shard said before it went still counts: those orders are in its store.
    this.#replies.drain();
    this.#inFlight.abandon(shard, newReply(Outcome.shardRecovering));
  }

  /** Resolves when nothing is in flight, and nobody goes on with what he was answered last. */
  async idle(): Promise<void> {
    do {
      if (this.#inFlight.count > 0) {
        await new Promise<void>((resolve) => {
          this.#drained = resolve;
        });
        this.#drained = undefined;
      }
      // A listing asks for one order after the other: it has sent the next request by then.
      await new Promise<void>((resolve) => this.#loop.soon(resolve));
    } while (this.#inFlight.count > 0);
  }

  close(): void {
    this.#closed = true;
  }
}
