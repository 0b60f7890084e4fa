/** What the main thread and a producer's thread say to each other. */
import type { ClockOrigin } from '#dist/clock.js';
import type { SharedMemory } from '#dist/memory/shared-memory.js';
import type { SaleRecord } from '#dist/sale/catalogue.js';
import type { Demand } from './demand.js';

/** What a producer is started with. Structured-cloneable. */
export interface ProducerTask {
  /** From 0. */
  readonly producer: number;
  readonly memory: SharedMemory;
  readonly clock: ClockOrigin;
  readonly storeId: string;
  readonly demand: Demand;
  readonly sellsOut: boolean;
  readonly inFlightMax: number;
  readonly replyDeadlineMs: number;
}

/** Said once, when it has loaded: now it waits for the sale. */
export interface ProducerLoaded {
  /** Id of its thread. */
  readonly thread: string;
}

/** The sale, said to it once. */
export interface ProducerSale {
  readonly record: SaleRecord;
}

/** Said once, when it can begin. */
export interface ProducerReady {
  /** What making one request takes it, in ns. */
  readonly requestNs: number;
}

/** What it is asked to do, again and again; or to end. */
export type ProducerOrder = ProducerRun | 'end';

export interface ProducerRun {
  readonly runMs: number;
  /** Orders that it places even where that takes longer. */
  readonly ordersMin: number;
  /** Orders that it has room for, since it was started. */
  readonly ordersMax: number;
}

/** What it did. Times are of the machine's monotonic clock. */
export interface ProducerReport {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly orders: number;
  /** By SKU, since it was started. */
  readonly asked: Uint32Array;
  /** By SKU, since it was started. */
  readonly accepted: Uint32Array;
}
