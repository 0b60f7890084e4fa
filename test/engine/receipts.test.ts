/** Receipts of the embedding API: in which answers, when they are signed, and which keys an engine starts with. */
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Engine, type EngineOptions, LeiniaoError, type Order, verifyReceipt } from '../../dist/index.js';
import { ReceiptSigner } from '../../dist/receipt/signer.js';
import { newKeyPair, newStrangers } from '../support/key-pairs.js';
import { tempDir } from '../support/temp-dir.js';

const pair = newKeyPair();
const sizes = { shards: 1, inFlightMax: 256, ordersPerShardMax: 4_096 } as const;

async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start({
    durability: 'memory',
    receiptKey: pair.privateKey,
    ...sizes,
    ...options,
  });
  onTestFinished(() => engine.close());
  expect((await engine.putSale('s', { skus: [{ sku: 'a', stock: 1_000 }] })).ok).toBe(true);
  return engine;
}

type Outcome = Awaited<ReturnType<Engine['placeOrder']>>;

function orderOf(outcome: Outcome | undefined): Order {
  expect(outcome).toMatchObject({ ok: true });
  return (outcome as { order: Order }).order;
}

function receiptOf(outcome: Outcome | undefined): string {
  const { receipt } = orderOf(outcome);
  expect(receipt).toBeTypeOf('string');
  return receipt!;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('an engine with a receipt key', () => {
  test('gives the same receipt with an order, its replay, its reading and its settling', async () => {
    const engine = await start();
    const request = { sale: 's', sku: 'a', buyer: '雷鸟', quantity: 3, idempotencyKey: 'k' };
    const order = orderOf(await engine.placeOrder(request));
    expect(verifyReceipt(order.receipt!, pair.publicKey)).toMatchObject({
      ok: true,
      receipt: {
        orderId: order.orderId,
        sale: 's',
        sku: 'a',
        buyer: '雷鸟',
        quantity: 3,
        sequence: 1,
        createdAtMs: order.createdAtMs,
        durability: 'memory',
      },
    });
    for (const outcome of [
      await engine.placeOrder(request),
      await engine.order(order.orderId),
      await engine.confirmOrder(order.orderId),
      await engine.placeOrder(request),
    ]) {
      expect(receiptOf(outcome)).toBe(order.receipt);
    }
  });

  test('gives the same receipt after a restart, and another one for another store', async () => {
    const dataDir = tempDir();
    const request = { sale: 's', sku: 'a', buyer: 'u', idempotencyKey: 'k' };
    const before = await start({ dataDir, durability: 'fsync' });
    const receipt = receiptOf(await before.placeOrder(request));
    await before.close();
    const after = await start({ dataDir, durability: 'fsync' });
    expect(receiptOf(await after.placeOrder(request))).toBe(receipt);
    expect(receiptOf(await (await start()).placeOrder(request))).not.toBe(receipt);
  });

  test('signs a batch’s receipts only as its outcomes are looked at', async () => {
    const engine = await start();
    const sign = vi.spyOn(ReceiptSigner.prototype, 'sign');
    const requests = Array.from({ length: 100 }, (_, i) => ({ sale: 's', sku: 'a', buyer: `u-${i}` }));
    const outcomes = await engine.placeOrders(requests);
    expect(outcomes.accepted).toBe(100);
    expect(sign).not.toHaveBeenCalled();
    const receipt = receiptOf(outcomes.at(7));
    expect(sign).toHaveBeenCalledTimes(1);
    expect(receiptOf(outcomes.at(7))).toBe(receipt);
    expect(verifyReceipt(receipt, pair.publicKey)).toMatchObject({
      ok: true,
      receipt: { buyer: 'u-7', sequence: 8 },
    });
  });

  test('signs nothing for a refusal, nor for a listing', async () => {
    const engine = await start();
    await engine.placeOrder({ sale: 's', sku: 'a', buyer: 'u' });
    const sign = vi.spyOn(ReceiptSigner.prototype, 'sign');
    const refused = await engine.placeOrder({ sale: 's', sku: 'a', buyer: 'u', quantity: 1_000 });
    expect(refused).toMatchObject({ ok: false, code: 'insufficient_stock' });
    const page = await engine.orders('s', 'u');
    expect(page.ok && page.orders.map((order) => 'receipt' in order)).toEqual([false]);
    expect(sign).not.toHaveBeenCalled();
  });

  test('says in its log which key that is, and not the key', async () => {
    const lines: unknown[] = [];
    const note = (...line: unknown[]): void => {
      lines.push(line);
    };
    const log = { info: note, warn: note, error: note };
    const engine = await Engine.start({
      durability: 'memory',
      receiptKey: pair.privateKey,
      ...sizes,
      log,
    });
    await engine.close();
    expect(lines).toContainEqual([{ keyId: expect.stringMatching(/^[\w-]{43}$/) }, 'orders get receipts']);
    expect(JSON.stringify(lines)).not.toContain(pair.privateKey.split('\n')[1]);
  });
});

test('an engine without a receipt key gives orders without the property', async () => {
  const engine = await Engine.start({ durability: 'memory', ...sizes });
  onTestFinished(() => engine.close());
  await engine.putSale('s', { skus: [{ sku: 'a', stock: 1 }] });
  expect(orderOf(await engine.placeOrder({ sale: 's', sku: 'a', buyer: 'u' }))).not.toHaveProperty('receipt');
});

describe('an engine does not start with', () => {
  const strangers = Object.entries(newStrangers()).map(([kind, { privateKey }]): [string, string] => [
    kind,
    privateKey,
  ]);
  test.each<[string, string]>([
    ...strangers,
    ['a public key', pair.publicKey],
    ['a key cut short', pair.privateKey.slice(0, 60)],
    ['a key without its frame', pair.privateKey.split('\n')[1]!],
    ['an empty text', ''],
    ['a path', './receipt.pem'],
    ['a text that is too long', `${pair.privateKey}${' '.repeat(1 << 15)}`],
    ['what is no text', Buffer.from(pair.privateKey) as unknown as string],
  ])(
    '%s for a receipt key; it names the option, never the value, and makes no data folder',
    async (_, key) => {
      const dataDir = tempDir();
      const failure = await Engine.start({ dataDir, receiptKey: key, ...sizes }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(LeiniaoError);
      const { code, message, issues } = failure as LeiniaoError;
      expect([code, issues[0]?.path]).toEqual(['invalid_options', '/receiptKey']);
      expect(message).toContain('/receiptKey');
      for (const line of String(key).split('\n').filter(Boolean)) expect(message).not.toContain(line);
      expect(readdirSync(dataDir)).toEqual([]);
    },
  );
});
