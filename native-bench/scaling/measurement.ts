/** What is to be measured, and what came of it. */
import type { Durability } from '#dist/config.js';
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
  /** The first producer's start, in ms of CLOCK_MONOTONIC, which all processes share. */
  readonly startedMs: number;
  /** The last one's last reply, on the same clock. */
  readonly endedMs: number;
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
  /** How many more orders every producer has room for, at least. */
  readonly roomLeft: number;
  /** What a producer spends on making a request before it places it, in ns: a stand-in for the parser of an acceptor. */
  readonly requestNs: number;
}
