/** Receipts: what is signed is what is read, and nothing else passes for one. */
import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durabilities, limits } from '../../dist/config.js';
import { LeiniaoError } from '../../dist/errors.js';
import { keyIdOf, readPrivateKey } from '../../dist/receipt/keys.js';
import type { AcknowledgedOrder } from '../../dist/receipt/receipt.js';
import { ReceiptSigner } from '../../dist/receipt/signer.js';
import { verifyReceipt } from '../../dist/receipt/verify.js';
import { isPrintable } from '../../dist/sale/rules.js';
import { newKeyPair, newStrangers } from '../support/key-pairs.js';
import { runs, seeded } from '../support/random.js';

const storeId = '00112233445566778899aabbccddeeff';
const order: AcknowledgedOrder = {
  orderId: '0011220000000007',
  sale: 'launch',
  sku: 'phone-1',
  buyer: '雷鸟 "7"',
  quantity: 2,
  sequence: 8,
  createdAtMs: 1_800_000_000_123,
  durability: 'fsync',
};

const pair = newKeyPair();
const signer = new ReceiptSigner(readPrivateKey(pair.privateKey), storeId);
const receipt = signer.sign(order);
const [headerPart = '', payloadPart = '', signaturePart = ''] = receipt.split('.');

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const header = JSON.parse(Buffer.from(headerPart, 'base64url').toString('utf8')) as object;
const payload = JSON.parse(Buffer.from(payloadPart, 'base64url').toString('utf8')) as object;

/** A receipt of any header and payload, with a signature that holds. */
function signedBy(privateKey: string, headerText: unknown, payloadText: unknown): string {
  const signed = `${encode(headerText)}.${encode(payloadText)}`;
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
}

function codeOf(text: string, publicKey = pair.publicKey): string {
  const verdict = verifyReceipt(text, publicKey);
  return verdict.ok ? 'valid' : verdict.code;
}

describe('a receipt', () => {
  test('says what was acknowledged, and by which store', () => {
    expect(verifyReceipt(receipt, pair.publicKey)).toEqual({
      ok: true,
      receipt: { version: 1, storeId, ...order },
      keyId: signer.keyId,
    });
  });

  test('is the same for the same order, whoever signs it with the same key', () => {
    expect(signer.sign({ ...order })).toBe(receipt);
    expect(new ReceiptSigner(readPrivateKey(pair.privateKey), storeId).sign(order)).toBe(receipt);
  });

  test('has only what never changes: neither status nor deadline', () => {
    const whole = { ...order, status: 'held', expiresAtMs: 1, reacquired: true };
    expect(signer.sign(whole)).toBe(receipt);
  });

  test('of format version 1 is this text, which buyers have, with the keys of RFC 8037', () => {
    // Appendix A.1 there; A.3 has the thumbprint.
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
    const d = 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A';
    const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' });
    expect(keyIdOf(key)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
    expect(new ReceiptSigner(key, storeId).sign(order).split('.')).toEqual([
      'eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsiLCJ0eXAiOiJsZWluaWFvLXJlY2VpcHQifQ',
      'eyJ2ZXJzaW9uIjoxLCJzdG9yZUlkIjoiMDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmYiLCJvcmRlcklkIjoiMDAxMTIyMDAwMDAwMDAwNyIsInNhbGUiOiJsYXVuY2giLCJza3UiOiJwaG9uZS0xIiwiYnV5ZXIiOiLpm7fpuJ8gXCI3XCIiLCJxdWFudGl0eSI6Miwic2VxdWVuY2UiOjgsImNyZWF0ZWRBdE1zIjoxODAwMDAwMDAwMTIzLCJkdXJhYmlsaXR5IjoiZnN5bmMifQ',
      '7Vuh8izFGGwtwzLu1A8dCo6kbrZO2PwdcxKPWHo_Qi0-p_ONpqGIGYRpWvwsNHr4F8OHBydUHPEzuh3LHRXvBg',
    ]);
  });

  test('is short enough to be read, whatever the order', () => {
    const longest: AcknowledgedOrder = {
      ...order,
      sale: 'x'.repeat(limits.saleIdBytesMax),
      sku: 'y'.repeat(limits.skuIdBytesMax),
      buyer: '"'.repeat(limits.buyerBytesMax),
      quantity: limits.quantityMax,
      sequence: 2 ** 31 - 1,
      durability: 'memory',
    };
    expect(codeOf(signer.sign(longest))).toBe('valid');
  });
});

const orders: fc.Arbitrary<AcknowledgedOrder> = fc.record({
  orderId: fc.stringMatching(/^[0-9a-f]{16}$/),
  sale: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  sku: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  buyer: fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 64 })
    .filter((text) => isPrintable(text, limits.buyerBytesMax)),
  quantity: fc.integer({ min: 1, max: limits.quantityMax }),
  sequence: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  createdAtMs: fc.integer({ min: 1, max: 4_000_000_000_000 }),
  durability: fc.constantFrom(...durabilities),
});

/** Base64url, the rest of base64, the dot, and what a decoder may pass over. */
const characters = fc.constantFrom(
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n\u0000é',
);

describe(seeded('any order'), () => {
  test('is read from its receipt as it was signed', () => {
    fc.assert(
      fc.property(orders, (given) => {
        const verdict = verifyReceipt(signer.sign(given), pair.publicKey);
        expect(verdict).toEqual({
          ok: true,
          receipt: { version: 1, storeId, ...given },
          keyId: signer.keyId,
        });
      }),
      runs(300),
    );
  });

  test('has no receipt any more once a character of it is another, is missing or is one more', () => {
    fc.assert(
      fc.property(
        orders,
        fc.nat(),
        characters,
        fc.constantFrom('replace', 'insert', 'remove'),
        (given, place, character, how) => {
          const text = signer.sign(given);
          const at = place % text.length;
          const rest = text.slice(how === 'insert' ? at : at + 1);
          const altered = text.slice(0, at) + (how === 'remove' ? '' : character) + rest;
          fc.pre(altered !== text);
          expect(codeOf(altered)).toMatch(/^receipt_/);
        },
      ),
      runs(2_000),
    );
  });
});

test('every other last character of a signature is refused, though its bytes may be the same', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const valid = [...alphabet].filter((character) => codeOf(receipt.slice(0, -1) + character) === 'valid');
  expect(valid).toEqual([receipt.at(-1)]);
});

describe('is refused:', () => {
  test.each(['', '.', '..', '...', 'a.b.c', `${headerPart}.${payloadPart}`, `${receipt}.`, ` ${receipt}`])(
    'what has not its form, %j',
    (text) => {
      expect(codeOf(text)).toBe('receipt_malformed');
    },
  );

  test('what is no text, or longer than any receipt', () => {
    expect(codeOf(undefined as unknown as string)).toBe('receipt_malformed');
    expect(codeOf({ split: () => [] } as unknown as string)).toBe('receipt_malformed');
    expect(codeOf('a'.repeat(limits.receiptCharsMax + 1))).toBe('receipt_malformed');
  });

  test('algorithm none, with and without a signature', () => {
    for (const alg of ['none', 'None', 'NONE', '', null, undefined]) {
      const none = `${encode({ ...header, alg })}.${payloadPart}.`;
      expect(codeOf(none)).toBe('receipt_algorithm');
      expect(codeOf(none + signaturePart)).toBe('receipt_algorithm');
    }
  });

  test('a code made with the public key as if it were a secret', () => {
    const signed = `${encode({ ...header, alg: 'HS256' })}.${payloadPart}`;
    const raw = createPublicKey(pair.publicKey).export({ format: 'der', type: 'spki' });
    for (const secret of [pair.publicKey, pair.publicKey.trim(), raw, raw.subarray(-32)]) {
      const code = createHmac('sha256', secret).update(signed).digest('base64url');
      expect(codeOf(`${signed}.${code}`)).toBe('receipt_algorithm');
    }
  });

  test('one that another key signed, whichever key it names', () => {
    const other = newKeyPair();
    const foreign = new ReceiptSigner(readPrivateKey(other.privateKey), storeId).sign(order);
    expect(codeOf(foreign)).toBe('receipt_key');
    expect(codeOf(receipt, other.publicKey)).toBe('receipt_key');
    expect(codeOf(signedBy(other.privateKey, header, payload))).toBe('receipt_signature');
  });

  test('another payload under its signature, and the signature of another receipt', () => {
    const altered = encode({ ...payload, quantity: 3 });
    expect(codeOf(`${headerPart}.${altered}.${signaturePart}`)).toBe('receipt_signature');
    const other = signer.sign({ ...order, quantity: 3 }).split('.')[2]!;
    expect(codeOf(`${headerPart}.${payloadPart}.${other}`)).toBe('receipt_signature');
    expect(codeOf(`${headerPart}.${payloadPart}.${'A'.repeat(86)}`)).toBe('receipt_signature');
  });

  test.each([
    ['a field more', { ...header, crit: ['exp'] }, payload],
    ['a key in it', { ...header, jwk: {} }, payload],
    ['another type', { ...header, typ: 'JWT' }, payload],
    ['a list for a header', [header], payload],
    ['a number for a header', 7, payload],
    ['a field twice', JSON.stringify(header).replace('{', '{"alg":"none",'), payload],
    ['space in the header', JSON.stringify(header, undefined, 1), payload],
    ['a field more in the payload', header, { ...payload, status: 'held' }],
    ['a field less', header, { ...payload, buyer: undefined }],
    ['no buyer', header, { ...payload, buyer: '' }],
    ['a buyer who writes to the terminal', header, { ...payload, buyer: '\u001b[2J' }],
    ['a sale that is none', header, { ...payload, sale: '..' }],
    ['a quantity that is text', header, { ...payload, quantity: '2' }],
    ['no units', header, { ...payload, quantity: 0 }],
    ['half a unit', header, { ...payload, quantity: 0.5 }],
    ['a time beyond time', header, { ...payload, createdAtMs: 8.64e15 + 1 }],
    ['an order id that is none', header, { ...payload, orderId: 'x' }],
    ['another durability', header, { ...payload, durability: 'paper' }],
    ['space in the payload', header, JSON.stringify(payload, undefined, 1)],
    ['a payload that is no object', header, 'null'],
    ['a payload that is no JSON', header, '{'],
  ])('what the engine does not write, though the signature holds: %s', (_, head, body) => {
    expect(codeOf(signedBy(pair.privateKey, head, body))).toBe('receipt_malformed');
  });

  test('another version of the format, by name', () => {
    for (const version of [0, 2, '1', undefined]) {
      expect(codeOf(signedBy(pair.privateKey, header, { ...payload, version }))).toBe('receipt_version');
    }
  });
});

describe('a key', () => {
  function failureOf(use: () => unknown): LeiniaoError {
    try {
      use();
    } catch (error) {
      if (error instanceof LeiniaoError) return error;
      throw error;
    }
    throw new Error('nothing was refused');
  }

  const strangers = {
    ...newStrangers(),
    'the wrong way round': { privateKey: pair.publicKey, publicKey: pair.privateKey },
    'cut short': { privateKey: pair.privateKey.slice(0, -40), publicKey: pair.publicKey.slice(0, -40) },
    'without its frame': {
      privateKey: pair.privateKey.split('\n')[1]!,
      publicKey: pair.publicKey.split('\n')[1]!,
    },
    'that is empty': { privateKey: '', publicKey: '' },
    'that is no text': { privateKey: 7 as unknown as string, publicKey: 7 as unknown as string },
  };

  test.each(Object.entries(strangers))('%s is refused, and never quoted', (_, stranger) => {
    const failures = [
      ['/receiptKey', failureOf(() => readPrivateKey(stranger.privateKey)), stranger.privateKey],
      ['/publicKey', failureOf(() => verifyReceipt(receipt, stranger.publicKey)), stranger.publicKey],
    ] as const;
    for (const [path, failure, given] of failures) {
      expect(failure).toMatchObject({ code: 'invalid_options', issues: [{ path }] });
      expect(failure.cause).toBeUndefined();
      const body = String(given).split('\n')[1] || String(given);
      if (body !== '') expect(failure.message).not.toContain(body);
    }
  });

  test('under a passphrase is refused', () => {
    const locked = createPrivateKey(pair.privateKey)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString();
    expect(failureOf(() => readPrivateKey(locked))).toMatchObject({ code: 'invalid_options' });
  });
});
