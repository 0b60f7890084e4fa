/** Memory for the orders of a sale is there before they come, and a shard that does not get it ready keeps nobody waiting. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Durability } from '../../dist/config.js';
import { Engine } from '../../dist/index.js';
import { faultsOf, threadIds } from '../support/faults.js';
import { tempDir } from '../support/temp-dir.js';
import { openSale, startParts } from './parts.js';

const orders = 200_000;
/** Of 4 KiB: 32 bytes of an order, 32 of a buyer and 16 of his name. The slots, which double, come to as much again. */
const tablePages = (orders * 80) / 4_096;

async function start(durability: Durability, dataDir?: string) {
  const before = threadIds();
  // So much room that malloc asks the system for the memory, instead of clearing what it has.
  const engine = await Engine.start({
    ...{ durability, shards: 1, ordersPerShardMax: 2 ** 21 },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  onTestFinished(() => engine.close());
  return { engine, threads: threadIds().filter((thread) => !before.includes(thread)) };
}

async function putSale(engine: Engine): Promise<void> {
  const put = await engine.putSale('s', { skus: [{ sku: 'a', stock: orders, limitPerBuyer: 1 }] });
  expect(put).toMatchObject({ ok: true });
}

/** Sells all of it, and returns pages that the system provided to the engine's threads meanwhile. */
async function sellOut(engine: Engine, threads: readonly string[]): Promise<number> {
  const requests = Array.from({ length: orders }, (_, i) => ({ sale: 's', sku: 'a', buyer: `buyer-${i}` }));
  const before = faultsOf(threads);
  const { accepted } = await engine.placeOrders(requests);
  expect(accepted).toBe(orders);
  return faultsOf(threads) - before;
}

describe('a shard does not ask the system for the memory of orders', () => {
  test('once their sale is made', async () => {
    const { engine, threads } = await start('memory');
    await putSale(engine);
    expect(await sellOut(engine, threads)).toBeLessThan(tablePages / 2);
  });

  test('nor after a start with a sale that was made before', async () => {
    const dataDir = tempDir();
    const first = await start('commit', dataDir);
    await putSale(first.engine);
    await first.engine.close();
    const { engine, threads } = await start('commit', dataDir);
    // What a store takes to write is its own.
    expect(await sellOut(engine, threads)).toBeLessThan(tablePages);
  });
});

describe('a sale is made', () => {
  test('also where its shards do not get ready', async () => {
    const parts = await startParts(2, 'memory');
    vi.spyOn(parts.dispatcher, 'awaitRoom').mockReturnValue(false);
    const prepare = vi.spyOn(parts.dispatcher, 'prepare');
    prepare.mockReturnValueOnce('overloaded').mockReturnValueOnce('recovering');
    await openSale(parts);
    expect(prepare).toHaveBeenCalledTimes(2);
    expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'u' })).toMatchObject({ ok: true });
  });
});
