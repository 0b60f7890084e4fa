/** At how many cores it is measured: doubling, as the law's terms need points far apart, and all that there are. */
import { freemem } from 'node:os';
import { limits } from '#dist/config.js';
import { replyLayout, requestLayout } from '#dist/memory/layout.js';
import { inFlightMax } from './measurement.js';

/** What an order and its buyer take of a shard's tables, about. */
const bytesPerOrder = 150;
/** Of free memory, what a measurement may take. */
const memoryShare = 0.7;

/** 1, 2, 4 … and `cores` itself, and as many as are `whole` cores; with `dense`, 3, 6, 12 … as well. */
export function coreSteps(cores: number, whole: number, dense: boolean): number[] {
  const most = Math.min(cores, limits.shardsMax);
  const steps = new Set([most, Math.min(most, whole)]);
  for (let n = 1; n <= most; n *= 2) {
    steps.add(n);
    if (dense && n > 1 && n * 1.5 <= most) steps.add(n * 1.5);
  }
  return [...steps].sort((a, b) => a - b);
}

export function coresText(cores: number): string {
  return cores === 1 ? '1 core' : `${cores} cores`;
}

/** Bytes that so many shards and producers take: a pair of rings for each two of them, and tables by shard. */
export function bytesNeeded(shards: number, producers: number, ordersPerShardMax: number): number {
  const rings = shards * (producers + 1) * inFlightMax * (requestLayout.bytes + replyLayout.bytes);
  // Slots of idempotency keys are cleared as a shard starts, two words an order; the other tables as they are used.
  return rings + shards * ordersPerShardMax * (2 * 4 + bytesPerOrder);
}

/** Whether a measurement of so many bytes leaves the machine room to breathe. */
export function fitsMemory(bytes: number): boolean {
  return bytes < freemem() * memoryShare;
}
