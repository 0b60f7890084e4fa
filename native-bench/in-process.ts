/**
 * `placeOrders` in batches by distinct buyers under a purchase limit, one shard: orders per second and resident bytes
 * per buyer. Every round starts a fresh engine in a process of its own and checks that the units sold are the orders
 * accepted, and that one order in a thousand reads back as it was placed.
 *
 *   node native-bench/build/in-process.js [--buyers 1000000,5000000] [--batch 8000] [--rounds 5] [--durability memory]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Durability } from '#dist/config.js';
import { Engine } from '#dist/index.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { summary } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    buyers: { type: 'string', default: '1000000,5000000' },
    batch: { type: 'string', default: '8000' },
    rounds: { type: 'string', default: '5' },
    durability: { type: 'string', default: 'memory' },
    one: { type: 'boolean', default: false },
  },
});
const batch = Number(options.batch);

interface Round {
  readonly ordersPerSecond: number;
  readonly bytesPerBuyer: number;
}

/** One round, in this process. */
async function measure(buyers: number, durability: Durability): Promise<Round> {
  const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
  const engine = await Engine.start({ dataDir, durability, shards: 1, ordersPerShardMax: 2 ** 23 });
  try {
    await engine.putSale('bench', { skus: [{ sku: 'sku-1', stock: buyers, limitPerBuyer: 1 }] });
    const before = process.memoryUsage.rss();
    let spentMs = 0;
    let accepted = 0;
    for (let from = 0; from < buyers; from += batch) {
      const requests = Array.from({ length: Math.min(batch, buyers - from) }, (_, i) => ({
        sale: 'bench',
        sku: 'sku-1',
        buyer: `buyer-${from + i}`,
      }));
      const start = performance.now();
      const outcomes = await engine.placeOrders(requests);
      spentMs += performance.now() - start;
      accepted += outcomes.accepted;
      for (let i = 0; i < requests.length; i += 1000) {
        const outcome = outcomes.at(i);
        const stored = outcome?.ok ? await engine.order(outcome.order.orderId) : undefined;
        if (!stored?.ok || stored.order.buyer !== requests[i]!.buyer) throw new Error('a wrong outcome');
      }
    }
    const bytes = process.memoryUsage.rss() - before;
    const stock = engine.stock('bench', 'sku-1');
    if (!stock.ok || stock.sku.held !== buyers || accepted !== buyers) {
      throw new Error(`${accepted} orders were accepted by ${buyers} buyers`);
    }
    return { ordersPerSecond: (buyers / spentMs) * 1000, bytesPerBuyer: bytes / buyers };
  } finally {
    await engine.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const durability = options.durability as Durability;
if (options.one) {
  process.stdout.write(JSON.stringify(await measure(Number(options.buyers), durability)));
} else {
  process.stdout.write(`${machineLines(describeMachine()).join('\n')}\n\n`);
  for (const buyers of options.buyers.split(',').map(Number)) {
    const results: Round[] = [];
    for (let i = 0; i < Number(options.rounds); i++) {
      const args = [
        '--one',
        '--buyers',
        String(buyers),
        '--batch',
        String(batch),
        '--durability',
        durability,
      ];
      const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
        encoding: 'utf8',
      });
      const result = JSON.parse(output) as Round;
      results.push(result);
      process.stdout.write(
        `round ${i + 1}: ${Math.round(result.ordersPerSecond)} orders/s, ${Math.round(result.bytesPerBuyer)} bytes/buyer\n`,
      );
    }
    process.stdout.write(
      `${durability}, ${buyers} buyers in batches of ${batch}, median (min … max) of ${results.length} rounds\n` +
        `  ${summary(results.map((result) => result.ordersPerSecond))} orders/s\n` +
        `  ${summary(results.map((result) => result.bytesPerBuyer))} resident bytes per buyer\n\n`,
    );
  }
}
