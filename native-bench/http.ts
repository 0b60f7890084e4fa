/**
 * Orders over HTTP beside the ceiling: leiniao with durability memory and fsync, both without receipts and with them, and
 * its sold-out answers, each against bare uWebSockets.js. The two of a pair run one right after the other, now this one first and now that one, and the
 * ratio is taken within the pair; turns are short and rounds many, because a shared machine changes its speed within
 * seconds. Every turn checks that the units sold are the orders accepted.
 *
 *   node native-bench/build/http.js [--rounds 11] [--seconds 2] [--connections 64,512]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, machineLines } from './harness/machine.js';
import { ratios, summary } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '11' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64,512' },
  },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

const here = fileURLToPath(new URL('.', import.meta.url));
const script = join(here, '..', 'orders.lua');
const cli = join(here, '..', '..', 'dist', 'cli', 'main.js');

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(args: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /(http:\S+)/.exec(line)?.[1];
    if (url !== undefined) {
      child.stdout!.resume();
      return { child, url };
    }
  }
  throw new Error(`${args.join(' ')} ended before it listened`);
}

async function stop(server: Server): Promise<void> {
  const exit = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  await exit;
}

interface Load {
  /** Answers that wrk counted. */
  readonly answers: number;
  readonly perSecond: number;
}

/** Runs wrk, and fails unless every answer was an order or, of a sale that is sold out, a refusal. */
async function load(url: string, connections: number, sale: string, prefix: string): Promise<Load> {
  const wrk = spawn('wrk', [
    ...['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script, url, '--', sale, prefix],
  ]);
  let output = '';
  wrk.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(wrk, 'exit');
  const answers = /(\d+) requests in/.exec(output)?.[1];
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  if (answers === undefined || rate === undefined) throw new Error(`wrk failed: ${output}`);
  if (/Socket errors/.test(output)) throw new Error(`wrk had socket errors: ${output}`);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  if (refused !== (sale === 'sold-out' ? Number(answers) : 0)) {
    throw new Error(`${refused} of ${answers} answers were refusals: ${output}`);
  }
  return { answers: Number(answers), perSecond: Number(rate) };
}

async function json(url: string, init?: RequestInit): Promise<{ readonly [name: string]: unknown }> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { readonly [name: string]: unknown };
}

async function putSale(url: string, sale: string, stock: number): Promise<void> {
  await json(`${url}/v1/sales/${sale}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ skus: [{ sku: 'sku-1', stock, limitPerBuyer: 1 }], holdSeconds: 3600 }),
  });
}

/** A contender and what it is held against. Both return answers per second. */
interface Pair {
  readonly name: string;
  readonly base: () => Promise<number>;
  readonly run: () => Promise<number>;
}

interface SkuLine {
  readonly total: number;
  readonly available: number;
  readonly held: number;
}

async function sold(url: string, sale: string): Promise<number> {
  const line = (await json(`${url}/v1/sales/${sale}/skus/sku-1`)) as unknown as SkuLine;
  if (line.available + line.held !== line.total) throw new Error('the counters do not add up');
  return line.held;
}

async function accepted(server: Server, connections: number, round: number): Promise<number> {
  const before = await sold(server.url, 'bench');
  const { answers, perSecond } = await load(
    server.url,
    connections,
    'bench',
    `r${String(round).padStart(3, '0')}-`,
  );
  const orders = (await sold(server.url, 'bench')) - before;
  // Every counted answer is an order; one per connection may have been made and not been counted any more.
  if (orders < answers || orders > answers + connections) {
    throw new Error(`${orders} units were sold, but wrk counted ${answers} answers`);
  }
  return perSecond;
}

const folder = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
process.stdout.write(`${machineLines(describeMachine()).join('\n')}\n\n`);
const bare = await start([join(here, 'bare-server.js')]);
const keyFile = join(folder, 'receipt.pem');
const { privateKey } = generateKeyPairSync('ed25519');
writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
const serve = (durability: string, dataDir: string, ...more: readonly string[]): Promise<Server> =>
  start([
    ...[cli, 'serve', '--port', '0', '--durability', durability, '--data-dir', join(folder, dataDir)],
    ...['--orders-per-shard-max', '16777216', ...more],
  ]);
const memory = await serve('memory', 'unused');
const memoryReceipts = await serve('memory', 'unused', '--receipt-key', keyFile);
const fsync = await serve('fsync', 'data');
const fsyncReceipts = await serve('fsync', 'data-receipts', '--receipt-key', keyFile);
const engines = [memory, memoryReceipts, fsync, fsyncReceipts];
try {
  for (const { url } of engines) {
    await putSale(url, 'bench', 2_000_000_000);
    await putSale(url, 'sold-out', 0);
  }
  let prefix = 0;
  for (const connections of options.connections.split(',').map(Number)) {
    const rateOf = async (url: string, sale: string) =>
      (await load(url, connections, sale, 'r000-')).perSecond;
    const onBare = (sale: string) => rateOf(bare.url, sale);
    const ordersTo = (server: Server) => {
      prefix += 1;
      return accepted(server, connections, prefix);
    };
    const pairs: readonly Pair[] = [
      { name: 'accepted, memory', base: () => onBare('bench'), run: () => ordersTo(memory) },
      { name: 'memory, receipts', base: () => onBare('bench'), run: () => ordersTo(memoryReceipts) },
      { name: 'accepted, fsync', base: () => onBare('bench'), run: () => ordersTo(fsync) },
      { name: 'fsync, receipts', base: () => onBare('bench'), run: () => ordersTo(fsyncReceipts) },
      {
        name: 'sold out',
        base: () => onBare('sold-out'),
        run: () => rateOf(memory.url, 'sold-out'),
      },
    ];
    const results = new Map(
      pairs.map(({ name }) => [name, { rates: [] as number[], bases: [] as number[] }]),
    );
    for (let round = 0; round <= rounds; round++) {
      for (const { name, base, run } of pairs) {
        const baseFirst = round % 2 === 0;
        const before = baseFirst ? await base() : undefined;
        const rate = await run();
        const baseRate = before ?? (await base());
        // The first round warms the code up.
        if (round === 0) continue;
        results.get(name)!.rates.push(rate);
        results.get(name)!.bases.push(baseRate);
        const text = `${name} ${Math.round(rate)}, bare ${Math.round(baseRate)}`;
        process.stdout.write(`round ${round}, ${connections} connections: ${text}\n`);
      }
    }
    process.stdout.write(`\n${connections} connections, median (min … max) of ${rounds} rounds\n`);
    for (const [name, { rates, bases }] of results) {
      process.stdout.write(
        `  ${name.padEnd(18)} ${summary(rates)} answers/s, bare ${summary(bases)}, ratio ${summary(ratios(rates, bases), 3)}\n`,
      );
    }
    process.stdout.write('\n');
  }
} finally {
  await Promise.all([bare, ...engines].map(stop));
  rmSync(folder, { recursive: true, force: true });
}
