/** An event loop that goes on only when it is told to, by a clock that the simulation sets. */
import type { EventLoop } from '#dist/acceptor/event-loop.js';

export class HandTurnedLoop implements EventLoop {
  readonly #monotonicMs: () => number;
  #soon: (() => void)[] = [];
  #later: { readonly dueMs: number; readonly action: () => void }[] = [];
  #waiting: (() => void)[] = [];

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  soon(turn: () => void): void {
    this.#soon.push(turn);
  }

  later(action: () => void, delayMs: number): void {
    this.#later.push({ dueMs: this.#monotonicMs() + delayMs, action });
  }

  rung(): Promise<unknown> {
    // Waking without having been rung is what a timeout looks like, so a turn may come whenever it likes.
    return new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** One turn: timers that are due, doorbells, then what was to come soon. */
  turn(): void {
    const now = this.#monotonicMs();
    const due = this.#later.filter(({ dueMs }) => dueMs <= now);
    this.#later = this.#later.filter(({ dueMs }) => dueMs > now);
    for (const { action } of due) action();
    for (const wake of this.#waiting.splice(0)) wake();
    for (const turn of this.#soon.splice(0)) turn();
  }
}

/** Lets every promise that can go on do so. */
export async function settleMicrotasks(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
