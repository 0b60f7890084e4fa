/**
 * leiniao as `leiniao serve` runs it. Every contest gets fresh ones: a store grows by millions of orders, so one that had
 * been in other contests would be slower for it than its neighbours, and on a fast machine it would be full one day.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Profile } from '../harness/profile.js';
import type { Running } from '../harness/running.js';
import { putSales, type Shop } from './shop.js';
import { startShop } from './start-shop.js';

const cli = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export interface LeiniaoOptions {
  readonly durability: 'memory' | 'fsync';
  /** Whether it signs its orders. */
  readonly receipts: boolean;
  readonly profile: Profile['name'];
  /** The command that keeps a process on its cores, with arguments; absent for none. */
  readonly pin?: readonly string[];
}

/** Room for the orders of a smoke run: tables of the usual size would take longer to make than the loads take. */
const smokeOrders = 1 << 18;

/** Starts one in a folder of its own, which goes when the server does. */
export function startLeiniao(
  running: Running,
  parent: string,
  { durability, receipts, profile, pin }: LeiniaoOptions,
): Promise<Shop> {
  const folder = mkdtempSync(join(parent, 'leiniao-'));
  running.add({ stop: async () => rmSync(folder, { recursive: true, force: true }) });
  const data = join(folder, 'data');
  const args = [cli, 'serve', '--port', '0', '--durability', durability, '--data-dir', data];
  if (profile === 'smoke') args.push('--orders-per-shard-max', String(smokeOrders));
  if (receipts) args.push('--receipt-key', writeReceiptKey(folder));
  return startShop(running, args, { prepare: putSales, pin });
}

function writeReceiptKey(folder: string): string {
  const file = join(folder, 'receipt.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return file;
}
