/** The benchmark's end of a measurement: it runs in a process of its own, pinned to its cores. */
import { MeasuringChild } from '../harness/child.js';
import type { Measured, Measurement } from './measurement.js';

const program = new URL('./engine-process.js', import.meta.url);

/**
 * The process of a measurement. It stays for some windows, because to start it and to warm it up takes several times as
 * long.
 */
export class EngineProcess {
  readonly #measurement: Measurement;
  readonly #pin: readonly string[];
  readonly #windowsMax: number;
  #started: Promise<MeasuringChild<Measured>> | undefined = undefined;
  #windows = 0;
  #spent = false;

  /**
   * @param pin the command that keeps a process on its cores, with arguments; empty for none
   * @param windowsMax windows after which a fresh process follows: how the code of one was compiled shall not be in all
   */
  constructor(measurement: Measurement, pin: readonly string[], windowsMax: number) {
    this.#measurement = measurement;
    this.#pin = pin;
    this.#windowsMax = windowsMax;
  }

  /**
   * Resolves once a process is there and warm.
   *
   * @throws Error what failed in it
   */
  async ready(): Promise<void> {
    await this.#start();
  }

  #start(): Promise<MeasuringChild<Measured>> {
    this.#started ??= MeasuringChild.start<Measurement, Measured>(program, this.#measurement, this.#pin);
    return this.#started;
  }

  /**
   * Measures a window.
   *
   * @throws Error where units taken are not orders accepted
   */
  async measure(): Promise<Measured> {
    const child = await this.#start();
    this.#windows += 1;
    const measured = await child.measure(this.#windows);
    // The next window may be a fast one.
    const room = measured.roomLeft > (2 * measured.orders) / this.#measurement.producers;
    this.#spent = !room || this.#windows === this.#windowsMax;
    return measured;
  }

  /**
   * Ends a process that has measured all it can. Apart from `measure`, because to end one takes cores from its neighbours.
   *
   * @throws Error what failed as it ended
   */
  async retire(): Promise<void> {
    if (this.#spent) await this.close();
  }

  /** @throws Error what failed as it ended */
  async close(): Promise<void> {
    const child = await this.#started;
    await child?.close();
    await this.stop();
  }

  readonly stop = async (): Promise<void> => {
    const started = this.#started;
    this.#started = undefined;
    this.#windows = 0;
    this.#spent = false;
    // One that did not start has said so to who asked for it, and ended.
    const child = await started?.catch(() => undefined);
    await child?.stop();
  };
}
