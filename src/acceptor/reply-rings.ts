/** An acceptor's ends of the reply rings, one per shard: hands the replies to those who wait. On the acceptor's thread. */
import { AcceptorCount, type Counters } from '../memory/counters.js';
import { replyLayout } from '../memory/layout.js';
import { newReply, type Reply, readReply } from '../memory/records.js';
import { RingConsumer } from '../memory/ring.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { readText } from '../text.js';
import type { InFlightTable } from './in-flight.js';

export class ReplyRings {
  readonly #rings: readonly RingConsumer[];
  readonly #inFlight: InFlightTable;
  readonly #counters: Counters;
  readonly #reply: Reply = newReply();
  /** Ring and record of the reply being settled. */
  #ring: RingConsumer | undefined;
  #at = 0;

  constructor(memory: SharedMemory, acceptor: number, inFlight: InFlightTable, counters: Counters) {
    this.#rings = memory.replies[acceptor]!.map((replies) => new RingConsumer(replies, replyLayout.bytes));
    this.#inFlight = inFlight;
    this.#counters = counters;
  }

  /** Whether there is any reply. */
  get anyWaiting(): boolean {
    return this.#rings.some((ring) => ring.waiting() > 0);
  }

  /** Hands out all there is, and returns how many. */
  drain(): number {
    let drained = 0;
    for (const ring of this.#rings) {
      const count = ring.waiting();
      if (count === 0) continue;
      const { words, doubles } = ring;
      this.#ring = ring;
      let at = ring.at(0);
      let slot = words[at + replyLayout.slot]!;
      for (let i = 1; i <= count; i++) {
        this.#at = at;
        readReply(words, doubles, at, this.#reply);
        const generation = words[at + replyLayout.generation]!;
        // Read before this one is answered: so the next record is on its way from the shard's core meanwhile.
        at = ring.at(i);
        const next = i < count ? words[at + replyLayout.slot]! : -1;
        if (!this.#inFlight.settle(slot, generation, this.#reply)) this.#counters.add(AcceptorCount.stale, 1);
        slot = next;
      }
      ring.release(count);
      drained += count;
    }
    this.#ring = undefined;
    return drained;
  }

  /** The buyer that a reply about an order carries. Only while that reply is being settled. */
  buyer(): string {
    const ring = this.#ring!;
    const bytes = ring.words[this.#at + replyLayout.buyerBytes]!;
    return readText(ring.bytes, (this.#at + replyLayout.buyer) * 4, bytes);
  }
}
