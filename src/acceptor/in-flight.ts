/**
 * The in-flight table: who waits for which reply. Preallocated; a correlation id is a slot and its generation, so
 * a reply to somebody who is no longer waiting is recognised as stale. One per acceptor, used by its thread only.
 */
import { assert } from '../assert.js';
import { newReply, type Reply } from '../memory/records.js';
import { Outcome } from '../sale/outcome.js';

/** Takes a reply. `token` is what the sink gave when it asked. One that throws gets `Outcome.defect` instead. */
export interface ReplySink {
  settle(token: number, reply: Reply): void;
}

export class InFlightTable {
  /**
   * Who waits. A batch that claims many slots in a row is here once for all of them: to store an object is dear where the
   * collector has to know. Every entry in use has a slot at least, so there are never more of them than slots.
   */
  readonly #sinks: (ReplySink | undefined)[];
  /** By sink: the slots it waits with. */
  readonly #uses: Int32Array;
  readonly #freeSinks: Int32Array;
  #freeSinkCount: number;
  /** Entry of the sink that asked last; it may have left. */
  #latest = 0;
  /** By slot: its sink; -1 while it is free. */
  readonly #sinkOf: Int32Array;
  readonly #tokens: Int32Array;
  readonly #generations: Int32Array;
  readonly #shards: Uint8Array;
  readonly #deadlines: Float64Array;
  readonly #free: Int32Array;
  readonly #onDefect: (error: unknown) => void;
  #freeCount: number;

  /** @param onDefect told of what a sink throws */
  constructor(slots: number, onDefect: (error: unknown) => void) {
    this.#onDefect = onDefect;
    this.#sinks = new Array(slots).fill(undefined);
    this.#uses = new Int32Array(slots);
    this.#freeSinks = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.#freeSinkCount = slots;
    this.#sinkOf = new Int32Array(slots).fill(-1);
    this.#tokens = new Int32Array(slots);
    this.#generations = new Int32Array(slots);
    this.#shards = new Uint8Array(slots);
    this.#deadlines = new Float64Array(slots);
    // Popped from the end, so slot 0 goes first and a quiet engine stays within few cache lines.
    this.#free = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.#freeCount = slots;
  }

  /** Requests that wait for a reply. */
  get count(): number {
    return this.#sinkOf.length - this.#freeCount;
  }

  get free(): number {
    return this.#freeCount;
  }

  /** Takes a slot. The table must not be full. */
  claim(sink: ReplySink, token: number, shard: number, deadlineMs: number): number {
    assert(this.#freeCount > 0, 'room in flight was checked');
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount]!;
    if (this.#sinks[this.#latest] !== sink) this.#enter(sink);
    this.#uses[this.#latest]! += 1;
    this.#sinkOf[slot] = this.#latest;
    this.#tokens[slot] = token;
    this.#shards[slot] = shard;
    this.#deadlines[slot] = deadlineMs;
    return slot;
  }

  #enter(sink: ReplySink): void {
    this.#freeSinkCount -= 1;
    this.#latest = this.#freeSinks[this.#freeSinkCount]!;
    this.#sinks[this.#latest] = sink;
  }

  generation(slot: number): number {
    return this.#generations[slot]!;
  }

  /** Ends a request with its reply. Returns false when the reply is stale. */
  settle(slot: number, generation: number, reply: Reply): boolean {
    if (this.#generations[slot] !== generation) return false;
    this.#give(this.#release(slot), this.#tokens[slot]!, reply);
    return true;
  }

  #give(sink: ReplySink, token: number, reply: Reply): void {
    try {
      sink.settle(token, reply);
    } catch (error) {
      this.#onDefect(error);
      this.#giveUp(sink, token);
    }
  }

  /** Whoever waits has to be told something; what is not about the reply can still be done. */
  #giveUp(sink: ReplySink, token: number): void {
    try {
      sink.settle(token, newReply(Outcome.defect));
    } catch (error) {
      this.#onDefect(error);
    }
  }

  #release(slot: number): ReplySink {
    const entry = this.#sinkOf[slot]!;
    const sink = this.#sinks[entry]!;
    this.#sinkOf[slot] = -1;
    const uses = this.#uses[entry]! - 1;
    this.#uses[entry] = uses;
    if (uses === 0) {
      this.#sinks[entry] = undefined;
      this.#freeSinks[this.#freeSinkCount] = entry;
      this.#freeSinkCount += 1;
    }
    this.#generations[slot] = (this.#generations[slot]! + 1) | 0;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
    return sink;
  }

  /** Ends every request whose deadline is at most `nowMs` with `reply`. Returns how many. */
  expire(nowMs: number, reply: Reply): number {
    return this.#settleWhere((slot) => this.#deadlines[slot]! <= nowMs, reply);
  }

  /** Ends every request that waits for a shard with `reply`. Returns how many. */
  abandon(shard: number, reply: Reply): number {
    return this.#settleWhere((slot) => this.#shards[slot] === shard, reply);
  }

  #settleWhere(matches: (slot: number) => boolean, reply: Reply): number {
    if (this.count === 0) return 0;
    let settled = 0;
    for (let slot = 0; slot < this.#sinkOf.length; slot++) {
      if (this.#sinkOf[slot] === -1 || !matches(slot)) continue;
      const token = this.#tokens[slot]!;
      this.#give(this.#release(slot), token, reply);
      settled += 1;
    }
    return settled;
  }
}
