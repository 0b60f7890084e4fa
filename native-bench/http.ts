/**
 * Orders over HTTP beside the ceiling: bare uWebSockets.js, leiniao with durability memory and fsync, and sold-out
 * answers. Contenders take turns, each round starting with another one; ratios are taken within a round. Turns are
 * short and rounds many, because a shared machine changes its speed within seconds. Every turn checks that the units
 * sold are the orders accepted.
 *
 *   node native-bench/build/http.js [--rounds 11] [--seconds 2] [--connections 64,512]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './machine.js';
import { ratios, summary } from './statistics.js';

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

/** Runs wrk and returns answered requests per second. */
async function load(url: string, connections: number, sale: string, prefix: string): Promise<number> {
  const wrk = spawn('wrk', [
    ...['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script, url, '--', sale, prefix],
  ]);
  let output = '';
  wrk.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(wrk, 'exit');
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  if (rate === undefined) throw new Error(`wrk failed: ${output}`);
  if (/Socket errors/.test(output)) throw new Error(`wrk had socket errors: ${output}`);
  return Number(rate);
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
  const rate = await load(server.url, connections, 'bench', `r${String(round).padStart(3, '0')}-`);
  const orders = (await sold(server.url, 'bench')) - before;
  // wrk counts what was answered until its end; what was still under way then is at most one per connection.
  const answered = rate * seconds;
  if (orders < answered * 0.97 || orders > answered * 1.1 + connections) {
    throw new Error(`${orders} units were sold, but wrk saw about ${Math.round(answered)} answers`);
  }
  return rate;
}

const folder = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
process.stdout.write(`${machine().join('\n')}\n\n`);
const bare = await start([join(here, 'bare-server.js')]);
const memory = await start([
  cli,
  'serve',
  '--port',
  '0',
  '--durability',
  'memory',
  '--orders-per-shard-max',
  '16777216',
]);
const fsync = await start([
  ...[cli, 'serve', '--port', '0', '--durability', 'fsync', '--data-dir', join(folder, 'data')],
  ...['--orders-per-shard-max', '16777216'],
]);
try {
  for (const { url } of [memory, fsync]) {
    await putSale(url, 'bench', 2_000_000_000);
    await putSale(url, 'sold-out', 0);
  }
  let round = 0;
  for (const connections of options.connections.split(',').map(Number)) {
    const contenders: Record<string, () => Promise<number>> = {
      bare: () => load(bare.url, connections, 'bench', 'r000-'),
      memory: () => accepted(memory, connections, round),
      fsync: () => accepted(fsync, connections, round),
      bareSoldOut: () => load(bare.url, connections, 'sold-out', 'r000-'),
      soldOut: () => load(memory.url, connections, 'sold-out', 'r000-'),
    };
    const names = Object.keys(contenders);
    const rates: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
    for (let i = 0; i <= rounds; i++) {
      round += 1;
      const measured: Record<string, number> = {};
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(turn + i) % names.length]!;
        measured[name] = await contenders[name]!();
      }
      // The first round warms the code up.
      if (i === 0) continue;
      for (const name of names) rates[name]!.push(measured[name]!);
      const line = names.map((name) => `${name} ${Math.round(measured[name]!)}`);
      process.stdout.write(`round ${i}, ${connections} connections: ${line.join(', ')}\n`);
    }
    process.stdout.write(`\n${connections} connections, median (min … max) of ${rounds} rounds\n`);
    for (const [name, values] of Object.entries(rates)) {
      process.stdout.write(`  ${name.padEnd(12)} ${summary(values)} answers/s\n`);
    }
    const pairs: [string, string, string][] = [
      ['accepted, memory / bare', 'memory', 'bare'],
      ['accepted, fsync / bare', 'fsync', 'bare'],
      ['sold out / bare', 'soldOut', 'bareSoldOut'],
    ];
    for (const [label, name, base] of pairs) {
      process.stdout.write(`  ${label.padEnd(26)} ${summary(ratios(rates[name]!, rates[base]!), 3)}\n`);
    }
    process.stdout.write('\n');
  }
} finally {
  await Promise.all([bare, memory, fsync].map(stop));
  rmSync(folder, { recursive: true, force: true });
}
