/**
 * An acceptor's ends of the request rings, one per shard: gives out records, makes them visible, and wakes the shards that
 * they are for. On the acceptor's thread.
 */
import { limits } from '../config.js';
import type { Doorbell } from '../memory/doorbell.js';
import { requestLayout } from '../memory/layout.js';
import { RingProducer } from '../memory/ring.js';
import type { SharedMemory } from '../memory/shared-memory.js';
import { ShardState, type ThreadTable } from '../memory/thread-table.js';

/** The way to one shard. */
export interface Link {
  readonly shard: number;
  /** Whether the shard was open when this was looked at last. */
  open: boolean;
  readonly requests: RingProducer;
  readonly doorbell: Doorbell;
  /** Records that were claimed and are not visible. */
  unpublished: number;
  /** Whether a parked shard has yet to be woken for what was published. While it is so, a turn is to come. */
  owesRing: boolean;
}

export class RequestRings {
  readonly links: readonly Link[];
  readonly #threads: ThreadTable;

  constructor(memory: SharedMemory, acceptor: number, threads: ThreadTable) {
    this.#threads = threads;
    this.links = memory.requests[acceptor]!.map((requests, shard) => ({
      shard,
      open: false,
      requests: new RingProducer(requests, requestLayout.bytes),
      doorbell: threads.shardDoorbell(shard),
      unpublished: 0,
      owesRing: false,
    }));
  }

  /** Looks which shards are open. */
  look(): void {
    for (const link of this.links) link.open = this.#threads.state(link.shard) === ShardState.open;
  }

  /** Word of a free record for the caller to fill, at once, or -1 when the ring is full. */
  claim(link: Link): number {
    // The record claimed before this one is complete by now: only whole records are published.
    if (link.unpublished >= limits.publishCountMax) this.#publish(link, false);
    const at = link.requests.claim();
    if (at !== -1) link.unpublished += 1;
    return at;
  }

  /**
   * Makes what a turn has claimed visible, and wakes those that it is for, or leaves that to the next turn. Returns whether
   * it does.
   *
   * To wake a thread costs this one a good part of the time of an order. In a rush the next turn brings as many requests
   * again, and one ring does for both; where nothing else happens it is there at once. Nobody waits for more than one turn,
   * for one that may be long, or where there is enough to do already.
   *
   * @param turnMs how long this turn took: so may the next one
   */
  deliver(turnMs: number): boolean {
    let fresh = 0;
    for (const { unpublished } of this.links) fresh += unpublished;
    const patient = fresh < limits.requestsRungAtOnceMin && turnMs <= limits.patientTurnMsMax;
    let owes = false;
    for (const link of this.links) {
      if (link.unpublished === 0 && !link.owesRing) continue;
      this.#publish(link, patient);
      if (link.owesRing) owes = true;
    }
    return owes;
  }

  /**
   * Gives up a shard that has gone. What was claimed for it becomes visible, so that its successor finds it among the rest
   * that it passes over.
   */
  abandon(link: Link): void {
    link.open = false;
    this.#publish(link, false);
  }

  /**
   * Makes what was claimed visible, and wakes the shard.
   *
   * @param patient whether that may wait a turn; a shard that is owed a ring already gets it
   */
  #publish(link: Link, patient: boolean): void {
    link.requests.publish();
    link.unpublished = 0;
    // Published before this look: a shard that has not announced itself by now sees them before it parks.
    link.owesRing = patient && !link.owesRing && link.doorbell.announced;
    if (!link.owesRing) link.doorbell.ring();
  }
}
