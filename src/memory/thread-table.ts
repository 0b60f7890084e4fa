/** One line per shard, then one per acceptor: doorbells, and the shards' states. */
import { Doorbell } from './doorbell.js';
import { threadLayout } from './layout.js';

/** `recovered`: all of its store has been read, and nothing written. */
export const ShardState = {
  starting: 0,
  open: 1,
  recovering: 2,
  stopped: 3,
  failed: 4,
  recovered: 5,
} as const;
export type ShardState = (typeof ShardState)[keyof typeof ShardState];

export class ThreadTable {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #shards: number;

  constructor(buffer: SharedArrayBuffer, shards: number) {
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#shards = shards;
  }

  static allocate(shards: number, acceptors: number): SharedArrayBuffer {
    return new SharedArrayBuffer((shards + acceptors) * threadLayout.lineWords * 4);
  }

  shardDoorbell(shard: number): Doorbell {
    return new Doorbell(this.#words, shard);
  }

  acceptorDoorbell(acceptor: number): Doorbell {
    return new Doorbell(this.#words, this.#shards + acceptor);
  }

  /** Written by the shard itself, and by the engine only when the shard's thread is gone. */
  setState(shard: number, state: ShardState): void {
    const word = shard * threadLayout.lineWords + threadLayout.state;
    Atomics.store(this.#words, word, state);
    Atomics.notify(this.#words, word);
  }

  state(shard: number): ShardState {
    return Atomics.load(this.#words, shard * threadLayout.lineWords + threadLayout.state) as ShardState;
  }

  /** Resolves when the shard's state may no longer be `state`, or after `timeoutMs`. */
  async stateChanged(shard: number, state: ShardState, timeoutMs: number): Promise<void> {
    const word = shard * threadLayout.lineWords + threadLayout.state;
    const result = Atomics.waitAsync(this.#words, word, state, timeoutMs);
    if (result.async) await result.value;
  }

  /** Called by a shard that starts, before it touches anything shared. What its predecessor left is taken back. */
  begin(shard: number): void {
    const line = shard * threadLayout.lineWords;
    Atomics.add(this.#words, line + threadLayout.incarnation, 1);
    Atomics.store(this.#words, line + threadLayout.keysWhole, 0);
    this.shardDoorbell(shard).retract();
    this.setBusy(shard, false);
  }

  /** Written by a shard that has rebuilt its key table, before it opens. */
  setKeysWhole(shard: number): void {
    Atomics.store(this.#words, shard * threadLayout.lineWords + threadLayout.keysWhole, 1);
  }

  /**
   * Which incarnation of a shard made its key table whole, or 0 while one rebuilds it. Who reads the table between two
   * equal answers has read what is whole. It stays so when the shard is gone, until its successor begins.
   */
  keysWholeSince(shard: number): number {
    const line = shard * threadLayout.lineWords;
    // A successor counts itself before it takes the flag back, so a flag between two equal counts belongs to that one.
    const incarnation = Atomics.load(this.#words, line + threadLayout.incarnation);
    const whole = Atomics.load(this.#words, line + threadLayout.keysWhole) === 1;
    return whole && Atomics.load(this.#words, line + threadLayout.incarnation) === incarnation
      ? incarnation
      : 0;
  }

  /** Written by the shard before it opens: setting its state publishes it. */
  setLastTime(shard: number, timeMs: number): void {
    this.#doubles[(shard * threadLayout.lineWords) / 2 + threadLayout.lastTimeMs] = timeMs;
  }

  /** Time of the newest commit that a shard found in its store as it opened; 0 for none. ms since the epoch. */
  lastTime(shard: number): number {
    return this.#doubles[(shard * threadLayout.lineWords) / 2 + threadLayout.lastTimeMs]!;
  }

  /** Written by the shard before it opens: setting its state publishes it. */
  setNewestRevision(shard: number, revision: number): void {
    this.#words[shard * threadLayout.lineWords + threadLayout.newestRevision] = revision;
  }

  /** The newest revision of a sale that a shard found in its store as it opened; 0 for none. */
  newestRevision(shard: number): number {
    return this.#words[shard * threadLayout.lineWords + threadLayout.newestRevision]!;
  }

  /** Lets a shard that has recovered write to its store. Written by the engine. */
  letWrite(shard: number): void {
    const word = shard * threadLayout.lineWords + threadLayout.mayWrite;
    Atomics.store(this.#words, word, 1);
    Atomics.notify(this.#words, word);
  }

  /** Waits, in the shard's thread, until it may write to its store, or for `timeoutMs`. Returns whether it may. */
  awaitMayWrite(shard: number, timeoutMs: number): boolean {
    return (
      Atomics.wait(this.#words, shard * threadLayout.lineWords + threadLayout.mayWrite, 0, timeoutMs) !==
      'timed-out'
    );
  }

  /** Asks a shard to finish what is in its rings and return. Written by the engine. */
  requestStop(shard: number): void {
    Atomics.store(this.#words, shard * threadLayout.lineWords + threadLayout.stop, 1);
    this.shardDoorbell(shard).ring();
  }

  stopRequested(shard: number): boolean {
    return Atomics.load(this.#words, shard * threadLayout.lineWords + threadLayout.stop) === 1;
  }

  /** Says that the shard is in a flush, so that acceptors wait for the doorbell instead of polling. */
  setBusy(shard: number, busy: boolean): void {
    Atomics.store(this.#words, shard * threadLayout.lineWords + threadLayout.busy, busy ? 1 : 0);
  }

  busy(shard: number): boolean {
    return Atomics.load(this.#words, shard * threadLayout.lineWords + threadLayout.busy) === 1;
  }
}
