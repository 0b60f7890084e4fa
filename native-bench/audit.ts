/**
 * Audit: fills a data folder with orders (durability commit, so that filling is quick), every other one of them
 * confirmed, then audits it again and again. Counts the whole audit: opening, checking the database's pages, the hash
 * chain, and keeping the books.
 *
 *   node native-bench/build/audit.js [--orders 2000000] [--rounds 5] [--shards 1]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AuditReport, audit } from '#dist/audit/audit.js';
import { Engine } from '#dist/index.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { summary } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    orders: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '5' },
    shards: { type: 'string', default: '1' },
  },
});
const orders = Number(options.orders);
const shards = Number(options.shards);
const batch = 10_000;
const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));

async function fill(): Promise<number> {
  const engine = await Engine.start({ dataDir, shards, durability: 'commit', ordersPerShardMax: 2 ** 24 });
  const skus = Array.from({ length: shards }, (_, i) => ({
    sku: `sku-${i}`,
    stock: orders,
    limitPerBuyer: 1,
  }));
  await engine.putSale('bench', { skus, holdSeconds: 86_400 });
  let confirmed = 0;
  for (let from = 0; from < orders; from += batch) {
    const outcomes = await engine.placeOrders(
      Array.from({ length: batch }, (_, i) => ({
        sale: 'bench',
        sku: `sku-${i % shards}`,
        buyer: `buyer-${from + i}`,
        idempotencyKey: `key-${from + i}`,
      })),
    );
    const confirmations: Promise<unknown>[] = [];
    let placed = 0;
    for (const outcome of outcomes) {
      if (!outcome.ok) throw new Error(`an order was refused: ${outcome.code}`);
      if (placed++ % 2 === 0) confirmations.push(engine.confirmOrder(outcome.order.orderId));
    }
    await Promise.all(confirmations);
    confirmed += confirmations.length;
  }
  await engine.close();
  return confirmed;
}

/** The entries that were read; throws where the counts are not those of the orders placed. */
function entriesOf(report: AuditReport, confirmed: number): number {
  const sum = (of: (shard: AuditReport['shards'][number]) => number): number =>
    report.shards.reduce((total, shard) => total + of(shard), 0);
  const right =
    report.verdict === 'sound' &&
    sum(({ orders: byStatus }) => byStatus.confirmed) === confirmed &&
    sum(({ orders: byStatus }) => byStatus.held) === orders - confirmed &&
    sum(({ entries }) => entries) === shards + orders + confirmed;
  if (!right) throw new Error(`the audit says otherwise: ${JSON.stringify(report)}`);
  return sum(({ entries }) => entries);
}

try {
  process.stdout.write(`${machineLines(describeMachine()).join('\n')}\n\n`);
  const confirmed = await fill();
  const rates: number[] = [];
  for (let i = 0; i < Number(options.rounds); i++) {
    const report = await audit(dataDir);
    const entries = entriesOf(report, confirmed);
    rates.push((entries / report.spentMs) * 1_000);
    process.stdout.write(`round ${i + 1}: ${report.spentMs} ms for ${entries} entries\n`);
  }
  const { maxRSS } = process.resourceUsage();
  process.stdout.write(
    `\n  ${summary(rates)} entries/s read, median (min … max) of ${rates.length} audits; ` +
      `${Math.round(maxRSS / 1024)} MiB at most, filling included\n`,
  );
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
