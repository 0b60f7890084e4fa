/** What several engines measured in the same window, as if they had been one. Pure. */
import type { Measured } from './measurement.js';

/** @param engines one at least */
export function together(engines: readonly Measured[]): Measured {
  const orders = sum(engines, (engine) => engine.orders);
  const startedMs = Math.min(...engines.map((engine) => engine.startedMs));
  const endedMs = Math.max(...engines.map((engine) => engine.endedMs));
  /** Of something by order: what it is of all orders. */
  const byOrder = (column: (engine: Measured) => number): number =>
    sum(engines, (engine) => column(engine) * engine.orders) / orders;
  const told = engines.every(({ cpu }) => cpu !== undefined);
  return {
    ...{ orders, startedMs, endedMs, ordersPerSecond: (orders / (endedMs - startedMs)) * 1_000 },
    busiestShard: Math.max(...engines.map((engine) => (engine.busiestShard * engine.orders) / orders)),
    cpu: told
      ? {
          producersNs: byOrder(({ cpu }) => cpu!.producersNs),
          shardsNs: byOrder(({ cpu }) => cpu!.shardsNs),
          processNs: byOrder(({ cpu }) => cpu!.processNs),
        }
      : undefined,
    roomLeft: Math.min(...engines.map((engine) => engine.roomLeft)),
    requestNs: byOrder((engine) => engine.requestNs),
  };
}

function sum(engines: readonly Measured[], column: (engine: Measured) => number): number {
  return engines.reduce((total, engine) => total + column(engine), 0);
}
