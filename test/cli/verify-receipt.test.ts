/** `leiniao verify-receipt`: what it prints and returns for receipts that hold, that do not, and that cannot be checked. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { readPrivateKey } from '../../dist/receipt/keys.js';
import { ReceiptSigner } from '../../dist/receipt/signer.js';
import { newKeyPair } from '../support/key-pairs.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = makeTempDir();
afterAll(() => removeTempDir(folder));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const pair = newKeyPair();
const publicKeyFile = file('receipt.pub.pem', pair.publicKey);
const signer = new ReceiptSigner(readPrivateKey(pair.privateKey), '00112233445566778899aabbccddeeff');
const order = {
  orderId: '0011220000000007',
  sale: 'launch',
  sku: 'phone-1',
  buyer: '雷鸟',
  quantity: 2,
  sequence: 8,
  createdAtMs: Date.UTC(2026, 10, 11),
  durability: 'fsync',
} as const;
const receipt = signer.sign(order);
const [headerPart = '', payloadPart = '', signaturePart = ''] = receipt.split('.');

function verify(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'verify-receipt', ...args], {
    input,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

const key = ['--public-key', publicKeyFile];
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string): object =>
  JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as object;

describe('verify-receipt', { timeout: 30_000 }, () => {
  test('prints what a receipt says, a line each, and returns 0', () => {
    const { status, stdout, stderr } = verify([receipt, ...key]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/\s{2,}/))).toEqual([
      ['valid', `signed with the key ${signer.keyId}`],
      ['order', order.orderId],
      ['sale', 'launch'],
      ['sku', 'phone-1'],
      ['buyer', '雷鸟'],
      ['quantity', '2'],
      ['sequence', '8'],
      ['created', '2026-11-11T00:00:00.000Z'],
      ['durability', 'fsync'],
      ['store', '00112233445566778899aabbccddeeff'],
    ]);
  });

  test('reads a receipt from standard input, whatever line end it has', () => {
    expect(verify(['-', ...key], `${receipt}\r\n`)).toMatchObject({ status: 0, stderr: '' });
  });

  test('prints one JSON object', () => {
    const { status, stdout } = verify([receipt, ...key, '--json']);
    expect(status).toBe(0);
    const said = { version: 1, storeId: '00112233445566778899aabbccddeeff', ...order };
    expect(JSON.parse(stdout)).toEqual({ valid: true, keyId: signer.keyId, receipt: said });
  });

  const forged = new ReceiptSigner(readPrivateKey(newKeyPair().privateKey), '0'.repeat(32)).sign(order);
  const header = decode(headerPart);
  const payload = decode(payloadPart);
  const flipped = (signaturePart.startsWith('A') ? 'B' : 'A') + signaturePart.slice(1);
  test.each([
    ['receipt_signature', `${headerPart}.${encode({ ...payload, quantity: 9 })}.${signaturePart}`],
    ['receipt_signature', `${headerPart}.${payloadPart}.${flipped}`],
    ['receipt_algorithm', `${encode({ ...header, alg: 'none' })}.${payloadPart}.`],
    ['receipt_algorithm', `${encode({ ...header, alg: 'HS256' })}.${payloadPart}.${signaturePart}`],
    ['receipt_key', forged],
    ['receipt_malformed', 'nothing'],
  ])('says why a receipt does not hold and returns 1: %s', (code, text) => {
    const plain = verify([text, ...key]);
    expect(plain).toMatchObject({ status: 1, stderr: '' });
    expect(plain.stdout).toMatch(new RegExp(`^not valid: .+ \\(${code}\\)\\n$`));
    const json = verify(['-', ...key, '--json'], text);
    expect(json).toMatchObject({ status: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({
      valid: false,
      code,
      detail: expect.stringMatching(/\S/),
    });
  });

  test('takes no receipt that never ends, and none that is empty', () => {
    expect(verify(['-', ...key], 'a'.repeat(1 << 20))).toMatchObject({ status: 1 });
    expect(verify(['-', ...key])).toMatchObject({ status: 1 });
  });

  test('returns 2 where it could not run: no key, no receipt, or a key that is none', () => {
    const privateKeyFile = file('receipt.pem', pair.privateKey);
    for (const [args, message] of [
      [[receipt], '--public-key'],
      [key, "missing required argument 'receipt'"],
      [[receipt, '--public-key', join(folder, 'none.pem')], '--public-key: cannot read'],
      [[receipt, '--public-key', folder], '--public-key: cannot read'],
      [[receipt, '--public-key', '/dev/zero'], 'is too long for a key'],
      [[receipt, '--public-key', file('empty.pem', '')], 'must be an Ed25519 public key'],
      [[receipt, '--public-key', privateKeyFile], 'must be an Ed25519 public key'],
    ] as const) {
      const { status, stdout, stderr } = verify(args);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain(message);
      expect(stderr).not.toContain(pair.privateKey.split('\n')[1]);
    }
  });
});
