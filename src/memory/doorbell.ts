/**
 * Wakes a parked thread. The parker announces itself, looks at its rings once more, then waits; the ringer
 * publishes first and then looks for the announcement. One of the two always sees the other.
 */
import { threadLayout } from './layout.js';

const awake = 0;
const parked = 1;

export class Doorbell {
  readonly #words: Int32Array;
  readonly #word: number;

  /** The doorbell of the thread with this line in the thread table. */
  constructor(threads: Int32Array, line: number) {
    this.#words = threads;
    this.#word = line * threadLayout.lineWords + threadLayout.doorbell;
  }

  /** Says "about to park". The parker must look at its rings after this and before it waits. */
  announce(): void {
    // Sequentially consistent with the ringer's publish: either it sees `parked`, or our next look sees its work.
    Atomics.store(this.#words, this.#word, parked);
  }

  /** Whether somebody is parked, or about to. */
  get announced(): boolean {
    return Atomics.load(this.#words, this.#word) === parked;
  }

  /** Takes the announcement back. */
  retract(): void {
    Atomics.store(this.#words, this.#word, awake);
  }

  /** Blocks until rung or until `timeoutMs` passed. Not for threads with an event loop. */
  wait(timeoutMs: number): void {
    Atomics.wait(this.#words, this.#word, parked, timeoutMs);
    this.retract();
  }

  /** Resolves when rung or after `timeoutMs`. At most one outstanding call: forgotten waiters leak. */
  waitAsync(timeoutMs: number): Promise<unknown> | undefined {
    const result = Atomics.waitAsync(this.#words, this.#word, parked, timeoutMs);
    return result.async ? result.value : undefined;
  }

  /** Wakes the thread if it is parked. Call after publishing. */
  ring(): void {
    // Looking first keeps the common case free of a locked instruction; the swap lets one ringer of many notify.
    if (this.announced && Atomics.compareExchange(this.#words, this.#word, parked, awake) === parked) {
      Atomics.notify(this.#words, this.#word, 1);
    }
  }
}
