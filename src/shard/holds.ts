/**
 * Hold deadlines. Holds of the same length run out in the order they were made, because a shard's time never
 * steps back; so there is one first-in-first-out queue per length, threaded through the order table. Adding is
 * O(1), and an order that was confirmed or cancelled leaves when its turn comes, once.
 */
import type { OrderTable } from './orders.js';

interface Queue {
  readonly holdMs: number;
  first: number;
  last: number;
}

export class HoldQueues {
  readonly #orders: OrderTable;
  readonly #queues = new Map<number, Queue>();
  /** The queue that was added to last: mostly the one that is added to next. */
  #latest: Queue | undefined = undefined;
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(orders: OrderTable) {
    this.#orders = orders;
  }

  /** A time before which nothing is due; `Infinity` when nothing is held. */
  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs;
  }

  /** Adds a held order. Times of successive calls never decrease. */
  add(number: number, createdAtMs: number, holdMs: number): void {
    const queue = this.#latest?.holdMs === holdMs ? this.#latest : this.#queueOf(holdMs);
    if (queue.first === -1) {
      queue.first = number;
      this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, createdAtMs + holdMs);
    } else {
      this.#orders.setNextHold(queue.last, number);
    }
    queue.last = number;
  }

  #queueOf(holdMs: number): Queue {
    let queue = this.#queues.get(holdMs);
    if (queue === undefined) {
      queue = { holdMs, first: -1, last: -1 };
      this.#queues.set(holdMs, queue);
    }
    this.#latest = queue;
    return queue;
  }

  /**
   * Takes out an order whose deadline is at most `nowMs`, or returns -1. It may have been settled since; passing
   * over it is left to the caller, who bounds how many he takes at a time.
   */
  takeDue(nowMs: number): number {
    if (nowMs < this.#nextDeadlineMs) return -1;
    let next = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.values()) {
      const number = queue.first;
      const deadlineMs = this.#orders.createdAtMs(number) + queue.holdMs;
      if (deadlineMs <= nowMs) {
        queue.first = this.#orders.nextHold(number);
        if (queue.first === -1) {
          this.#queues.delete(queue.holdMs);
          if (this.#latest === queue) this.#latest = undefined;
        }
        return number;
      }
      next = Math.min(next, deadlineMs);
    }
    this.#nextDeadlineMs = next;
    return -1;
  }
}
