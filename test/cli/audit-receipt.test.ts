/** `leiniao audit --receipt`: whether the journal has what a receipt says. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { readPrivateKey } from '../../dist/receipt/keys.js';
import { ReceiptSigner } from '../../dist/receipt/signer.js';
import { newKeyPair } from '../support/key-pairs.js';
import { runCli } from '../support/run-cli.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const folder = makeTempDir();
afterAll(() => removeTempDir(folder));
const dataDir = join(folder, 'data');
const pair = newKeyPair();
const publicKeyFile = join(folder, 'receipt.pub.pem');
let order: Extract<Awaited<ReturnType<Engine['placeOrder']>>, { ok: true }>['order'];
let storeId = '';

beforeAll(async () => {
  writeFileSync(publicKeyFile, pair.publicKey);
  const engine = await Engine.start({ dataDir, shards: 2, receiptKey: pair.privateKey });
  const skus = ['a', 'b'].map((sku) => ({ sku, stock: 10 }));
  expect((await engine.putSale('s', { skus })).ok).toBe(true);
  for (const sku of ['a', 'a', 'b']) {
    const placed = await engine.placeOrder({ sale: 's', sku, buyer: '雷鸟', quantity: 2 });
    if (!placed.ok) throw new Error(placed.code);
    order = placed.order;
  }
  expect((await engine.confirmOrder(order.orderId)).ok).toBe(true);
  await engine.close();
});

async function audit(receipt: string) {
  const args = ['audit', dataDir, '--json', '--receipt', receipt, '--public-key', publicKeyFile];
  const { code, stdout } = await runCli(...args);
  const report = JSON.parse(stdout) as {
    storeId: string;
    verdict: string;
    receipt: { contained: boolean; text: string };
  };
  expect(report.verdict).toBe('sound');
  storeId = report.storeId;
  return { code, ...report.receipt };
}

describe('an audit with a receipt', () => {
  test('says that its order is in the journal, and what became of it', async () => {
    expect(await audit(order.receipt!)).toEqual({
      ...{ code: 0, contained: true },
      text: `order ${order.orderId} is in the journal, confirmed by now`,
    });
  });

  test('names what is another in the journal, though the signature holds', async () => {
    const signer = new ReceiptSigner(readPrivateKey(pair.privateKey), storeId);
    const others = [
      [{ quantity: 3 }, 'has quantity 2 in the journal, 3 in the receipt'],
      [{ buyer: 'v' }, 'has buyer 雷鸟 in the journal, v in the receipt'],
      [{ sku: 'a' }, 'has sku b'],
      [{ sequence: 2 }, 'has sequence 1'],
      [{ createdAtMs: order.createdAtMs + 1 }, 'has createdAtMs'],
      [{ orderId: `${order.orderId.slice(0, 8)}00000063` }, 'is in no journal'],
      [{ orderId: `${order.orderId.slice(0, 6)}0500000000` }, 'is in no journal'],
      [{ orderId: `ffffff${order.orderId.slice(6)}` }, 'is in no journal'],
    ] as const;
    for (const [change, text] of others) {
      expect(await audit(signer.sign({ ...order, ...change }))).toEqual({
        ...{ code: 1, contained: false, text: expect.stringContaining(text) },
      });
    }
    const elsewhere = new ReceiptSigner(
      readPrivateKey(pair.privateKey),
      `${storeId.slice(0, 31)}${storeId.endsWith('0') ? 1 : 0}`,
    );
    expect(await audit(elsewhere.sign(order))).toMatchObject({
      contained: false,
      text: expect.stringContaining('is of another store'),
    });
  });

  test('believes no receipt whose signature does not hold', async () => {
    const forged = new ReceiptSigner(readPrivateKey(newKeyPair().privateKey), storeId).sign(order);
    const given = order.receipt!;
    const altered = `${given.slice(0, -20)}${given.at(-20) === 'A' ? 'B' : 'A'}${given.slice(-19)}`;
    for (const receipt of [forged, altered, 'x']) {
      expect(await audit(receipt)).toMatchObject({ code: 1, contained: false });
    }
  });

  test('is told what to look for and with which key, or nothing', async () => {
    const { code, stderr } = await runCli('audit', dataDir, '--receipt', order.receipt!);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--public-key') });
  });

  test('has a last line that is no praise where the receipt is not one of the folder', async () => {
    const signer = new ReceiptSigner(readPrivateKey(pair.privateKey), storeId);
    const receipt = signer.sign({ ...order, quantity: 3 });
    const args = ['audit', dataDir, '--receipt', receipt, '--public-key', publicKeyFile];
    const { code, stdout } = await runCli(...args);
    expect(code).toBe(1);
    const lastLine = stdout.trimEnd().split('\n').at(-1);
    expect(lastLine).toBe('verdict: wrong: the folder is sound, and the receipt is not one of it');
  });

  test('says it to people in a line of its own', async () => {
    const args = ['audit', dataDir, '--receipt', order.receipt!, '--public-key', publicKeyFile];
    const { code, stdout } = await runCli(...args);
    expect(code).toBe(0);
    expect(stdout).toContain(`receipt: order ${order.orderId} is in the journal, confirmed by now\n`);
  });
});
