/**
 * Recovery: fills a data folder with orders (durability commit, so that filling is quick), then starts an engine on it
 * again and again. Counts the whole start: opening, verifying the hash chain, rebuilding, checking the counters.
 *
 *   node native-bench/build/recovery.js [--orders 2000000] [--rounds 5]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Engine } from '#dist/index.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { summary } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: { orders: { type: 'string', default: '2000000' }, rounds: { type: 'string', default: '5' } },
});
const orders = Number(options.orders);
const batch = 10_000;
const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
try {
  process.stdout.write(`${machineLines(describeMachine()).join('\n')}\n\n`);
  const engine = await Engine.start({ dataDir, shards: 1, durability: 'commit' });
  await engine.putSale('bench', {
    skus: [{ sku: 'sku-1', stock: orders, limitPerBuyer: 1 }],
    holdSeconds: 86_400,
  });
  for (let from = 0; from < orders; from += batch) {
    await engine.placeOrders(
      Array.from({ length: batch }, (_, i) => ({
        sale: 'bench',
        sku: 'sku-1',
        buyer: `buyer-${from + i}`,
        idempotencyKey: `key-${from + i}`,
      })),
    );
  }
  await engine.close();
  const rates: number[] = [];
  for (let i = 0; i < Number(options.rounds); i++) {
    const start = performance.now();
    const recovered = await Engine.start({ dataDir });
    const spentMs = performance.now() - start;
    const stock = recovered.stock('bench', 'sku-1');
    if (!stock.ok || stock.sku.held !== orders) throw new Error('orders are missing');
    await recovered.close();
    rates.push((orders / spentMs) * 1000);
    process.stdout.write(`round ${i + 1}: ${Math.round(spentMs)} ms for ${orders} orders\n`);
  }
  process.stdout.write(
    `\n  ${summary(rates)} orders/s read back, median (min … max) of ${rates.length} starts\n`,
  );
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
