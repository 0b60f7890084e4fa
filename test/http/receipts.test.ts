/** Receipts over HTTP: which answers have one, that it stays the same, and that without a key nothing has one. */
import { createPrivateKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Engine, type EngineOptions, verifyReceipt } from '../../dist/index.js';
import { type Answer, Api } from '../support/api.js';
import { newKeyPair } from '../support/key-pairs.js';
import { exchange, requestBytes } from '../support/raw-http.js';
import { ServeProcess } from '../support/serve-process.js';
import { tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';

const pair = newKeyPair();
const sizes = { shards: 1, inFlightMax: 256, ordersPerShardMax: 4_096 } as const;
const receiptKey = pair.privateKey;

async function served(options: EngineOptions) {
  const engine = await Engine.start({ ...sizes, ...options });
  onTestFinished(() => engine.close());
  const { url, port } = await engine.listen({ port: 0 });
  const api = new Api(url);
  onTestFinished(() => api.close());
  return { engine, api, port };
}

function receiptIn(answer: Answer): string {
  const { receipt } = answer.body as { readonly receipt?: string };
  expect(receipt).toBeTypeOf('string');
  return receipt!;
}

const sale = { skus: [{ sku: 'phone', stock: 1_000 }] };
const click = { sku: 'phone', buyer: '雷鸟 "1"', quantity: 2 };

describe('with a key and durability fsync', () => {
  test('an order has a receipt of what was acknowledged, and the same one in every later answer', async () => {
    const dataDir = tempDir();
    const before = await served({ dataDir, receiptKey });
    await before.api.put('s', sale);
    const placed = await before.api.order('s', click, 'k');
    expect(placed.status).toBe(201);
    const { orderId, createdAt } = placed.order;
    expect(placed.header('location')).toBe(`/v1/orders/${orderId}`);
    const receipt = receiptIn(placed);
    const verdict = verifyReceipt(receipt, pair.publicKey);
    expect(verdict).toMatchObject({
      ok: true,
      receipt: { ...click, version: 1, orderId, sale: 's', sequence: 1, durability: 'fsync' },
    });
    if (!verdict.ok) return;
    expect(verdict.receipt.createdAtMs).toBe(Date.parse(createdAt));
    expect(orderId.startsWith(verdict.receipt.storeId.slice(0, 6))).toBe(true);

    const replayed = await before.api.order('s', click, 'k');
    expect(replayed.status).toBe(200);
    expect(replayed.header('idempotency-replayed')).toBe('true');
    expect(replayed.body).toEqual(placed.body);
    const confirmed = await before.api.confirm(orderId);
    expect(confirmed.order.status).toBe('confirmed');
    expect(receiptIn(confirmed)).toBe(receipt);
    await before.api.close();
    await before.engine.close();

    // The mode of the engine that answers is not the one the order was acknowledged under.
    const after = await served({ dataDir, receiptKey, durability: 'commit' });
    const late = await after.api.order('s', click, 'k');
    expect(late.status).toBe(200);
    expect(late.order.status).toBe('confirmed');
    expect(receiptIn(late)).toBe(receipt);
    expect(receiptIn(await after.api.get(`/v1/orders/${orderId}`))).toBe(receipt);
    const next = verifyReceipt(receiptIn(await after.api.order('s', click)), pair.publicKey);
    expect(next).toMatchObject({
      ok: true,
      receipt: { sequence: 2, storeId: verdict.receipt.storeId, durability: 'commit' },
    });
  });

  test('a refusal has none, and neither have the orders of a listing', async () => {
    const { api } = await served({ dataDir: tempDir(), receiptKey });
    await api.put('s', { skus: [{ sku: 'phone', stock: 1 }] });
    await api.order('s', { sku: 'phone', buyer: 'a' });
    const refused = await api.order('s', { sku: 'phone', buyer: 'b' }, 'k');
    expect(refused.code).toBe('sold_out');
    expect(refused.body).not.toHaveProperty('receipt');
    const { orders } = (await api.get('/v1/sales/s/orders?buyer=a')).body as { orders: object[] };
    expect(orders).toHaveLength(1);
    expect(orders[0]).not.toHaveProperty('receipt');
  });

  test('a cancelled order keeps its receipt: it says what was acknowledged, not what became of it', async () => {
    const { api } = await served({ durability: 'memory', receiptKey });
    await api.put('s', sale);
    const placed = await api.order('s', click);
    const cancelled = await api.cancel(placed.order.orderId);
    expect(cancelled.order.status).toBe('cancelled');
    expect(receiptIn(cancelled)).toBe(receiptIn(placed));
  });
});

describe('the answer to a new order', () => {
  test('differs by the receipt at its end alone, down to the byte', async () => {
    const request = requestBytes({
      path: '/v1/sales/s/orders',
      headers: ['Content-Type: application/json'],
      body: JSON.stringify(click),
    });
    const dataDir = tempDir();
    const answers: (readonly [head: Record<string, string>, body: string])[] = [];
    for (const options of [{ receiptKey }, {}]) {
      const { engine, api, port } = await served({ ...options, dataDir, durability: 'commit' });
      await api.put('s', sale);
      const { status, headers, body } = await exchange(port, request);
      expect(status).toBe(201);
      const { date: _date, 'content-length': _length, ...head } = Object.fromEntries(headers);
      answers.push([head, body]);
      await api.close();
      await engine.close();
    }
    const plain = (body: string): string =>
      body
        .replace(/"(orderId|createdAt|expiresAt)":"[^"]+"/g, '"$1":"…"')
        .replace(/"sequence":\d+/, '"sequence":…');
    const [[head, body], [plainHead, plainBody]] = answers as [(typeof answers)[0], (typeof answers)[0]];
    const ending = /,"receipt":"[\w.-]+"\}$/;
    expect(body).toMatch(ending);
    expect(plain(body.replace(ending, '}'))).toBe(plain(plainBody));
    expect(Object.keys(head)).toEqual(Object.keys(plainHead));
    expect(head['content-type']).toBe(plainHead['content-type']);
  });

  test('has no receipt without a key, and neither has any other', async () => {
    const { api } = await served({ durability: 'memory' });
    await api.put('s', sale);
    const placed = await api.order('s', click, 'k');
    const { orderId } = placed.order;
    const answers = [
      placed,
      await api.order('s', click, 'k'),
      await api.get(`/v1/orders/${orderId}`),
      await api.confirm(orderId),
    ];
    for (const { body } of answers) expect(body).not.toHaveProperty('receipt');
  });
});

describe('leiniao serve', { timeout: 30_000 }, () => {
  test('takes the key from a file, and says no more of it than its id', async () => {
    const folder = tempDir();
    const file = join(folder, 'receipt.pem');
    writeFileSync(file, receiptKey);
    const server = await ServeProcess.listening(
      ...['--receipt-key', file, '--data-dir', join(folder, 'data'), '--shards', '1'],
    );
    const api = new Api(await server.url());
    onTestFinished(() => api.close());
    await api.put('s', sale);
    const receipt = receiptIn(await api.order('s', click, 'k'));
    const verdict = verifyReceipt(receipt, pair.publicKey);
    expect(verdict.ok).toBe(true);
    await server.kill();

    const again = await ServeProcess.listening('--receipt-key', file, '--data-dir', join(folder, 'data'));
    const apiAgain = new Api(await again.url());
    onTestFinished(() => apiAgain.close());
    const replayed = await apiAgain.order('s', click, 'k');
    expect([replayed.status, receiptIn(replayed)]).toEqual([200, receipt]);
    await apiAgain.close();
    again.child.kill('SIGTERM');
    await until('the server to end', () => !again.running);

    const said = server.stdout + server.stderr + again.stdout + again.stderr;
    expect(said).toContain((verdict as { keyId: string }).keyId);
    const { d } = createPrivateKey(receiptKey).export({ format: 'jwk' });
    for (const secret of [receiptKey.split('\n')[1]!, d!, 'PRIVATE KEY']) expect(said).not.toContain(secret);
  });
});
