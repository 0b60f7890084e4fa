/** What is to be measured, what came of it, and the process of its own, pinned to its cores, in which it runs. */
import type { Durability } from '#dist/config.js';
import { MeasuringChild } from '../harness/child.js';
import type { Demand } from './demand.js';

/** Requests that a producer may have in flight; half of the engine's default, because rings are by pairs of threads. */
export const inFlightMax = 4_096;

export interface Measurement {
  readonly shards: number;
  readonly producers: number;
  readonly demand: Demand;
  readonly durability: Durability;
  readonly skus: number;
  /** Units of each SKU. */
  readonly stock: number;
  /** Whether there is less stock than demand, so that every SKU has to sell out to the last unit. */
  readonly sellsOut: boolean;
  /** Orders one shard can hold. */
  readonly ordersPerShardMax: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** Where the stores go. */
  readonly folder: string;
}

export interface Measured {
  readonly ordersPerSecond: number;
  /** Orders within the window. */
  readonly orders: number;
  /** From the first producer's start to the last one's last reply. */
  readonly elapsedMs: number;
  /** Of all orders, the share of the shard that got most. */
  readonly busiestShard: number;
  /** CPU time within the window, per order, in ns; undefined where the system does not tell it by thread. */
  readonly cpu:
    | {
        readonly producersNs: number;
        readonly shardsNs: number;
        /** Of the whole process: garbage collectors' helpers and the main thread are in here too. */
        readonly processNs: number;
      }
    | undefined;
  /** How many more orders every producer has room for. */
  readonly roomLeft: number;
  /** What a producer spends on making a request before it places it, in ns: a stand-in for the parser of an acceptor. */
  readonly requestNs: number;
}

const program = new URL('./engine-process.js', import.meta.url);

/** The process of a measurement. It stays for some windows, because to start it and to warm it up takes ten times as long. */
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

  /**
   * Measures a window.
   *
   * @throws Error where units taken are not orders accepted
   */
  async measure(): Promise<Measured> {
    this.#child ??= await MeasuringChild.start<Measurement, Measured>(program, this.#measurement, this.#pin);
    this.#windows += 1;
    const measured = await this.#child.measure(this.#windows);
    // The next window may be a fast one.
    const room = measured.roomLeft > (2 * measured.orders) / this.#measurement.producers;
    if (!room || this.#windows === this.#windowsMax) {
      await this.#child.close();
      await this.stop();
    }
    return measured;
  }

  readonly stop = async (): Promise<void> => {
    await this.#child?.stop();
    this.#child = undefined;
    this.#windows = 0;
  };
}
