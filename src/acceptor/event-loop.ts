/**
 * What a dispatcher asks of the event loop it runs on. Behind an interface, so that a simulation may turn it by hand.
 */
import type { Doorbell } from '../memory/doorbell.js';

export interface EventLoop {
  /** Calls `turn` once what has happened by now has been seen to. */
  soon(turn: () => void): void;
  /** Calls `action` once, in `delayMs`. It keeps no process alive. */
  later(action: () => void, delayMs: number): void;
  /** Resolves when the doorbell was rung, or after `timeoutMs`; undefined when it has been rung already. */
  rung(doorbell: Doorbell, timeoutMs: number): Promise<unknown> | undefined;
}

/** The event loop of this thread. */
export const threadEventLoop: EventLoop = {
  soon: setImmediate,
  later: (action, delayMs) => {
    setTimeout(action, delayMs).unref();
  },
  rung: (doorbell, timeoutMs) => doorbell.waitAsync(timeoutMs),
};
