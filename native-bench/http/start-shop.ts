/** Starts a server that sells, and has it prove that it keeps the rules. */
import { startServer } from '../harness/programs.js';
import type { Running } from '../harness/running.js';
import { orderDocument, sampleOrder } from './servers/answers.js';
import { proveRules, type Shop } from './shop.js';

const orderBytes = JSON.stringify(orderDocument(sampleOrder, 0)).length;

/**
 * @param args of Node: the server's file, and what it is started with
 * @param options.prepare makes its sales, where it does not begin with them
 * @param options.pin the command that keeps a process on its cores, with arguments; empty for none
 */
export async function startShop(
  running: Running,
  args: readonly string[],
  options: {
    readonly prepare?: (url: string) => Promise<void>;
    readonly pin?: readonly string[] | undefined;
  } = {},
): Promise<Shop> {
  const { prepare, pin = [] } = options;
  const [command, ...rest] = [...pin, process.execPath, ...args];
  const { url } = running.add(await startServer(rest, command));
  await prepare?.(url);
  const shop = { url, keepsRules: !args[0]!.endsWith('bare.js') };
  await proveRules(shop, args.includes('--receipt-key') ? undefined : orderBytes);
  return shop;
}
