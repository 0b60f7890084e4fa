/** What the threads that subtract share with the one that commands them. Either thread. */

/** Words of `start`. */
export const startWords = {
  /** Threads that have still to come to the barrier. */
  missing: 0,
  /** That each thread takes off. Written before a command is begun. */
  units: 1,
} as const;

/** What a thread is started with. Structured-cloneable. */
export interface SubtractionTask {
  readonly counters: SharedArrayBuffer;
  readonly start: SharedArrayBuffer;
  /** Float64, by thread: when it left the barrier, and when it was done, in ms of the machine's monotonic clock. */
  readonly times: SharedArrayBuffer;
  /** From 0. */
  readonly thread: number;
  /** By command: the word of the counter. */
  readonly counterWord: Readonly<Record<number, number>>;
}
