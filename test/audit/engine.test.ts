/** The auditor beside the engine: it finds nothing wrong in what an engine wrote, and comes to the same numbers. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AuditReport, audit } from '../../dist/audit/audit.js';
import { Engine, type Order } from '../../dist/index.js';
import { effort } from '../support/effort.js';
import { runCli } from '../support/run-cli.js';
import { sellOneEvening } from '../support/sold-out-evening.js';
import { tempDir } from '../support/temp-dir.js';

type Counters = {
  sale: string;
  sku: string;
  total: number;
  available: number;
  held: number;
  confirmed: number;
};

function countersOf(engine: Engine, skus: readonly (readonly [string, string])[]): Counters[] {
  return skus.map(([sale, sku]) => {
    const line = engine.stock(sale, sku);
    if (!line.ok) throw new Error(`no ${sale}/${sku}`);
    const { total, available, held, confirmed } = line.sku;
    return { sale, sku, total, available, held, confirmed };
  });
}

const byName = (a: Counters, b: Counters) => (`${a.sale}/${a.sku}` < `${b.sale}/${b.sku}` ? -1 : 1);

function auditedCounters({ skus }: AuditReport): Counters[] {
  return skus
    .map(({ sale, sku, total, available, held, confirmed }) => ({
      sale,
      sku,
      total,
      available,
      held,
      confirmed,
    }))
    .sort(byName);
}

/** What is in a folder but for LMDB's list of readers, to the byte. */
function contentOf(path: string): object {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(path, name)).isFile() && !name.endsWith('lock.mdb'));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(path, name)).toString('base64')]));
}

/** The order as the export shows it, from what the engine says of it. */
function exportedOf(order: Order, key: unknown): object {
  const { createdAtMs, expiresAtMs, ...rest } = order;
  const timeOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return { ...rest, createdAt: timeOf(createdAtMs), expiresAt: timeOf(expiresAtMs), idempotencyKey: key };
}

describe.each(['fsync', 'commit'] as const)('with durability %s', (durability) => {
  test.each([1, 3])('an evening on %i shards is sound, and both come to the same numbers', async (shards) => {
    const dataDir = join(tempDir(), 'data');
    const engine = await Engine.start({ dataDir, durability, shards });
    onTestFinished(() => engine.close());
    const { orders, skus } = await sellOneEvening(engine);
    const counters = countersOf(engine, skus).sort(byName);
    const seen = await Promise.all(orders.map(({ orderId }) => engine.order(orderId)));
    const { code, stdout } = await runCli('audit', dataDir, '--json');
    expect({ code, report: auditedCounters(JSON.parse(stdout) as AuditReport) }).toEqual({
      code: 0,
      report: counters,
    });
    await engine.close();
    const before = contentOf(dataDir);
    const report = await audit(dataDir);
    expect(report).toMatchObject({ verdict: 'sound', findings: [], notes: [] });
    expect(auditedCounters(report)).toEqual(counters);
    expect(report.shards.reduce((sum, shard) => sum + shard.reacquired, 0)).toBe(5);
    const rows = (await runCli('export', dataDir)).stdout.trim().split('\n');
    const exported = new Map(rows.map((row) => JSON.parse(row)).map((row) => [row.orderId, row]));
    expect(contentOf(dataDir)).toEqual(before);
    expect(exported.size).toBe(orders.length);
    for (const outcome of seen) {
      if (!outcome.ok) throw new Error(outcome.code);
      const row = exported.get(outcome.order.orderId);
      expect(row).toEqual(exportedOf(outcome.order, row.idempotencyKey));
    }
  });

  test('audits of an engine that goes on selling are sound, each further than the one before', async () => {
    const dataDir = join(tempDir(), 'data');
    const engine = await Engine.start({ dataDir, durability, shards: 2 });
    onTestFinished(() => engine.close());
    const skus = ['a', 'b'].map((sku) => ({ sku, stock: 1_000_000 }));
    await engine.putSale('long', { holdSeconds: 60, skus });
    let selling = true;
    let placed = 0;
    const place = async (number: number): Promise<string> => {
      const request = { sale: 'long', sku: 'ab'[number % 2]!, buyer: `u-${number}`, idempotencyKey: 'k' };
      for (;;) {
        const outcome = await engine.placeOrder(request);
        if (outcome.ok) return outcome.order.orderId;
        // An auditor that comes in the moment of a commit makes the shard start again.
        expect(outcome.code).toBe('shard_recovering');
        await setImmediate();
      }
    };
    const sell = async () => {
      while (selling) {
        const number = placed++;
        const orderId = await place(number);
        if (number % 3 === 0) await engine.confirmOrder(orderId);
      }
    };
    const sellers = Array.from({ length: 32 }, sell);
    const counts: number[] = [];
    for (let i = 0; i < effort(3, 5); i++) {
      const { code, stdout, stderr } = await runCli('audit', dataDir, '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const report = JSON.parse(stdout) as AuditReport;
      expect(report.findings).toEqual([]);
      counts.push(report.shards.reduce((sum, shard) => sum + shard.entries, 0));
    }
    selling = false;
    await Promise.all(sellers);
    await engine.close();
    expect(counts[0]).toBeGreaterThan(0);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    expect(counts.at(-1)).toBeGreaterThan(counts[0]!);
    const report = await audit(dataDir);
    expect(report).toMatchObject({ verdict: 'sound', notes: [] });
    expect(report.shards.reduce((sum, { orders }) => sum + orders.held + orders.confirmed, 0)).toBe(placed);
  });
});
