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
  #child: MeasuringChild<Measured> | undefined = undefined;
  #windows = 0;

  /**
   * @param pin the command that keeps a process on its cores, with arguments; empty for none
   * @param windowsMax windows after which a fresh process follows: how the code of one was compiled shall not be in all
   */
  constructor(measurement: Measurement, pin: readonly string[], windowsMax: number) {
    this.#measurement = measurement;
    this.#pin = pin;
    this.#windowsMax = windowsMax;
  }

  /** Resolves once a process is there and warm. */
  async ready(): Promise<void> {
    this.#child ??= await MeasuringChild.start<Measurement, Measured>(program, this.#measurement, this.#pin);
  }

  /**
   * Measures a window.
   *
   * @throws Error where units taken are not orders accepted
   */
  async measure(): Promise<Measured> {
    await this.ready();
    this.#windows += 1;
    const measured = await this.#child!.measure(this.#windows);
    // The next window may be a fast one.
    const room = measured.roomLeft > (2 * measured.orders) / this.#measurement.producers;
    if (!room || this.#windows === this.#windowsMax) await this.close();
    return measured;
  }

  /** @throws Error what failed as it ended */
  async close(): Promise<void> {
    await this.#child?.close();
    await this.stop();
  }

  readonly stop = async (): Promise<void> => {
    await this.#child?.stop();
    this.#child = undefined;
    this.#windows = 0;
  };
}
