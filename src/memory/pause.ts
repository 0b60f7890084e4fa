/** Blocks a thread for a while. Not for threads with an event loop that somebody waits for. */

const nobody = new Int32Array(new SharedArrayBuffer(4));

export function pauseThread(ms: number): void {
  // Nobody rings it: this is a sleep.
  Atomics.wait(nobody, 0, 0, ms);
}
