/** Fills a data folder, then starts an engine on it again and again. */
import { Engine } from '#dist/index.js';
import { fill } from '../fill.js';
import { serveMeasurement } from '../harness/child-end.js';

export interface RecoverySettings {
  readonly dataDir: string;
  readonly orders: number;
}

/** Starts on the folder, and resolves to orders read back per second. */
async function start({ dataDir, orders }: RecoverySettings): Promise<number> {
  const startedMs = performance.now();
  const engine = await Engine.start({ dataDir });
  const spentMs = performance.now() - startedMs;
  try {
    const stock = engine.stock('bench', 'sku-1');
    if (!stock.ok || stock.sku.held !== orders) throw new Error('orders are missing');
    return (orders / spentMs) * 1_000;
  } finally {
    await engine.close();
  }
}

await serveMeasurement(async (settings: RecoverySettings) => {
  await fill({ ...settings, confirmHalf: false });
  return { measure: () => start(settings), close: () => undefined };
});
