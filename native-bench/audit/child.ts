/** Fills a data folder, then audits it again and again. */
import { type AuditReport, audit } from '#dist/audit/audit.js';
import { fill } from '../fill.js';
import { serveMeasurement } from '../harness/child-end.js';

export interface AuditSettings {
  readonly dataDir: string;
  readonly orders: number;
}

export interface AuditRound {
  readonly entriesPerSecond: number;
  /** Of this process, so far. */
  readonly residentMiBMax: number;
}

/**
 * The entries that were read: one of the sale, one an order, one a confirmation.
 *
 * @throws Error where the counts are not those of the orders placed
 */
function entriesOf({ verdict, shards }: AuditReport, orders: number, confirmed: number): number {
  const [shard] = shards;
  const right =
    verdict === 'sound' &&
    shard?.orders.confirmed === confirmed &&
    shard.orders.held === orders - confirmed &&
    shard.entries === 1 + orders + confirmed;
  if (!right) throw new Error(`the audit says otherwise: ${JSON.stringify({ verdict, shards })}`);
  return shard.entries;
}

await serveMeasurement(async ({ dataDir, orders }: AuditSettings) => {
  const confirmed = await fill({ dataDir, orders, confirmHalf: true });
  return {
    measure: async (): Promise<AuditRound> => {
      const startedMs = performance.now();
      const report = await audit(dataDir);
      const spentMs = performance.now() - startedMs;
      return {
        entriesPerSecond: (entriesOf(report, orders, confirmed) / spentMs) * 1_000,
        residentMiBMax: Math.round(process.resourceUsage().maxRSS / 1_024),
      };
    },
    close: () => undefined,
  };
});
