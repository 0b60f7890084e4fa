/** `leiniao simulate` and `leiniao serve` as processes: against the real server, and against one that lies. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { commandEnv } from '../support/command-env.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function leiniao(...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [main, ...args], { env: commandEnv });
  // What nobody listens to is thrown away.
  child.stderr.resume();
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function simulate(...args: string[]) {
  const child = leiniao('simulate', '--json', '--connections', '32', ...args);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, report: JSON.parse(output) };
}

/** A server that accepts every order `onOrder` is true for and counts none of them: the worst a shop can do. */
async function startLyingServer(onOrder = (_sequence: number): boolean => true): Promise<string> {
  let sequence = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const isOrder = request.method === 'POST' && request.url?.endsWith('/orders') === true;
      const line = { sku: 'sku-1', total: 10, available: 10, held: 0, confirmed: 0 };
      sequence += isOrder ? 1 : 0;
      if (isOrder && !onOrder(sequence)) return;
      const order = { orderId: `${sequence}`, sequence, status: 'held', ...(isOrder && JSON.parse(body)) };
      response.writeHead(isOrder ? 201 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isOrder ? order : { skus: [line] }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a simulation', { timeout: 60_000 }, () => {
  test('finds its own server exact, with every kind of buyer', async () => {
    const { code, report } = await simulate(
      ...['--buyers', '1500', '--stock', '300', '--skus', '2', '--quantity', '3', '--durability', 'memory'],
      ...['--retry-rate', '0.5', '--greedy-rate', '0.3', '--cancel-rate', '0.3', '--seed', '11'],
    );
    expect({ code, verdict: report.verdict, findings: report.findings }).toEqual({
      code: 0,
      verdict: 'exact',
      findings: [],
    });
    expect(report.seed).toBe(11);
    expect(report.networkErrors + report.unanswered).toBe(0);
    for (const { counters } of report.skus) expect(counters.available).toBe(0);
  });

  test('finds a server oversold that sells to everybody', async () => {
    const { code, report } = await simulate(
      await startLyingServer(),
      ...['--buyers', '50', '--stock', '10', '--retry-rate', '0', '--confirm-rate', '0'],
    );
    expect({ code, verdict: report.verdict }).toEqual({ code: 1, verdict: 'oversold' });
  });
});

test('a simulation that is interrupted says how far it came, and what it leaves open', async () => {
  let interrupt = (): void => undefined;
  // By one connection: whoever asks for the sixth order has been told of five.
  const url = await startLyingServer((sequence) => {
    if (sequence === 6) interrupt();
    return sequence < 6;
  });
  const child = leiniao(
    'simulate',
    url,
    '--json',
    '--connections',
    '1',
    '--buyers',
    '50',
    '--retry-rate',
    '0',
  );
  interrupt = () => child.kill('SIGINT');
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(errors).toMatch(
    /ended early, no verdict: interrupted by SIGINT: 5 orders had been accepted by then, and the sale simulate-\S+ is still open on http/,
  );
});

describe('serve', { timeout: 60_000 }, () => {
  const serve = async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'leiniao-serve-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const child = leiniao('serve', '--port', '0', '--data-dir', dataDir, '--exit-on-stdin-end');
    const ended = once(child, 'exit').then(([code]) => [`it ended with ${code}`]);
    const [ready] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    expect(ready).toMatch(/^leiniao is listening on http:\/\/127\.0\.0\.1:\d+$/);
    return child;
  };

  test.each(['SIGINT', 'SIGTERM'] as const)('ends in order on %s', async (signal) => {
    const child = await serve();
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('ends with its parent', async () => {
    const child = await serve();
    child.stdin?.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('refuses an address that others can reach', async () => {
    const child = leiniao('serve', '--host', '0.0.0.0');
    expect(await once(child, 'exit')).toEqual([2, null]);
  });
});
