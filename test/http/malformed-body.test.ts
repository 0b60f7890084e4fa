/** Bodies that no client should send, and lengths that are not theirs, down to the byte: raw sockets, a real engine. */

import { beforeAll, describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import {
  counters,
  expectProblem,
  healthBytes,
  json,
  order,
  orderBytes,
  ordersPath,
  port,
  rawBytes,
  refused,
  serve,
} from './raw-server.js';

serve();

// The server has seen orders that are written as many of these bodies are. It has to see all the same what is wrong.
beforeAll(async () => {
  const known = ['{"sku":"a","buyer":"u-1"}', '{"sku":"a","buyer":"u-1","quantity":1}'];
  for (let i = 0; i < limits.strangeBodiesPerLessonMin; i++) {
    for (const body of known) expect((await exchange(port, orderBytes(body))).status).toBe(201);
  }
});

describe('a body is refused as invalid_request', () => {
  test.each([
    ['that is empty', ''],
    ['that is cut off', '{"sku":"a","buyer":"b"'],
    ['with something after it', '{"sku":"a","buyer":"b"}x'],
    ['with a NUL after it', '{"sku":"a","buyer":"b"}\0'],
    ['with a trailing comma', '{"sku":"a","buyer":"b",}'],
    ['in single quotes', "{'sku':'a','buyer':'b'}"],
    ['with a comment', '{"sku":"a",/* */"buyer":"b"}'],
    ['with a byte order mark', '\ufeff{"sku":"a","buyer":"b"}'],
    ['with a line break in a text', '{"sku":"a","buyer":"b\n"}'],
    ['with NaN', '{"sku":"a","buyer":"b","quantity":NaN}'],
    ['nested to the limit', '['.repeat(2_000) + ']'.repeat(2_000)],
    ['that is null', 'null'],
    ['that is an array', '[{"sku":"a","buyer":"b"}]'],
    ['that is a text', '"a"'],
    ['that is a number', '1'],
  ])('%s', async (_, body) => {
    expectProblem(await refused(orderBytes(body)), 400, 'invalid_request');
  });

  test.each([
    ['a number as SKU', '{"sku":1,"buyer":"b"}', '/sku'],
    ['null as SKU', '{"sku":null,"buyer":"b"}', '/sku'],
    ['an array as SKU', '{"sku":["a"],"buyer":"b"}', '/sku'],
    ['an empty SKU', '{"sku":"","buyer":"b"}', '/sku'],
    ['a SKU with a slash', '{"sku":"a/b","buyer":"b"}', '/sku'],
    ['a SKU with a letter beyond ASCII', '{"sku":"é","buyer":"b"}', '/sku'],
    ['a SKU of 65 characters', `{"sku":"${'a'.repeat(65)}","buyer":"b"}`, '/sku'],
    ['no SKU', '{"buyer":"b"}', '/sku'],
    ['no buyer', '{"sku":"a"}', '/buyer'],
    ['a number as buyer', '{"sku":"a","buyer":5}', '/buyer'],
    ['an object as buyer', '{"sku":"a","buyer":{"length":5}}', '/buyer'],
    ['an unknown field', '{"sku":"a","buyer":"b","note":""}', '/note'],
    ['a field in capitals', '{"sku":"a","buyer":"b","Quantity":2}', '/Quantity'],
    ['__proto__', '{"sku":"a","buyer":"b","__proto__":{"quantity":2}}', '/__proto__'],
    ['constructor', '{"sku":"a","buyer":"b","constructor":1}', '/constructor'],
    ['toString', '{"sku":"a","buyer":"b","toString":1}', '/toString'],
    ['the key as a field', '{"sku":"a","buyer":"b","idempotencyKey":"k"}', '/idempotencyKey'],
  ])('with %s, and names the place', async (_, body, path) => {
    const answer = await refused(orderBytes(body));
    expectProblem(answer, 400, 'invalid_request');
    expect(JSON.parse(answer.body).errors).toContainEqual({ path, message: expect.stringMatching(/\S/) });
  });

  test.each(['0', '-1', '-0', '1.5', '1001', '1e4', '1e400', '-1e400', '9007199254740993', '1e-9'])(
    'with the quantity %s',
    async (quantity) => {
      const answer = await refused(orderBytes(`{"sku":"a","buyer":"b","quantity":${quantity}}`));
      expectProblem(answer, 400, 'invalid_request');
    },
  );

  test.each(['"1"', 'null', 'true', '[1]', '{}', '""'])('with the quantity %s', async (quantity) => {
    const answer = await refused(orderBytes(`{"sku":"a","buyer":"b","quantity":${quantity}}`));
    expectProblem(answer, 400, 'invalid_request');
  });

  test.each([
    ['nothing', ''],
    ['NUL', '\\u0000'],
    ['a line break', 'a\\nb'],
    ['DEL', '\\u007f'],
    ['a raw DEL', '\x7f'],
    ['a raw DEL among others', 'a\x7fb'],
    ['a C1 control character', '\\u0085'],
    ['a zero-width space', 'a\\u200bb'],
    ['a right-to-left override', 'a\\u202eb'],
    ['a line separator', 'a\\u2028b'],
    ['a byte order mark', '\\ufeffa'],
    ['the first half of a surrogate pair', 'a\\ud83d'],
    ['the second half of a surrogate pair', '\\ude00a'],
    ['the halves in the wrong order', '\\ude00\\ud83d'],
    ['65 bytes of ASCII', 'b'.repeat(65)],
    ['65 bytes in two-byte letters', `${'é'.repeat(32)}x`],
    ['66 bytes in three-byte letters', '雷'.repeat(22)],
    ['65 bytes in four-byte letters', `x${'😀'.repeat(16)}`],
  ])('with a buyer of %s', async (_, buyer) => {
    const answer = await refused(orderBytes(`{"sku":"a","buyer":"${buyer}"}`));
    expectProblem(answer, 400, 'invalid_request');
    expect(JSON.parse(answer.body).errors[0].path).toBe('/buyer');
  });

  test.each([
    ['a byte that never occurs', [0xff]],
    ['a lone continuation byte', [0x80]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['an overlong slash', [0xe0, 0x80, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a code point beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a letter cut off', [0xe9, 0x9b]],
    ['Latin-1', [0xe9]],
  ])('that is not UTF-8: %s', async (_, bytes) => {
    const body = Buffer.concat([Buffer.from('{"sku":"a","buyer":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expectProblem(await refused(orderBytes(body)), 400, 'invalid_request');
  });
});

describe('Content-Length', () => {
  test('of conflicting ones the first counts, for the body and for where the next request starts', async () => {
    const body = JSON.stringify(order);
    const request = (first: number, second: number) =>
      rawBytes(
        [
          `POST ${ordersPath} HTTP/1.1`,
          'Host: x',
          json,
          `Content-Length: ${first}`,
          `Content-Length: ${second}`,
        ],
        body,
      );
    const connection = await RawConnection.open(port);
    await connection.send(request(body.length, 5));
    expect((await connection.answer()).status).toBe(201);
    await connection.send(healthBytes);
    expect((await connection.answer()).status).toBe(200);
    connection.destroy();

    const before = counters();
    const other = await RawConnection.open(port);
    await other.send(request(5, body.length));
    expectProblem(await other.answer(), 400, 'invalid_request');
    // Were it read as the second one says, the whole body would have been the order.
    other.socket.end();
    await other.closing();
    expect(counters()).toEqual(before);
  });

  test.each([
    ['all at once', 1],
    ['in pieces', 5],
  ])('over 4 KiB is refused with 413 %s, and what follows is not a request', async (_, pieces) => {
    const smuggled = orderBytes();
    const body = Buffer.concat([Buffer.alloc(5_000, 0x20), smuggled]);
    const request = requestBytes({ path: ordersPath, headers: [json], body });
    const size = Math.ceil(request.length / pieces);
    const parts = Array.from({ length: pieces }, (__, i) => request.subarray(i * size, (i + 1) * size));
    const answer = await refused(parts);
    expectProblem(answer, 413, 'payload_too_large');
    expect(answer.headers.get('connection')).toBe('close');
  });

  test('of a gigabyte is refused after 4 KiB, however much the client would send', async () => {
    const before = counters();
    const connection = await RawConnection.open(port);
    await connection.send(
      rawBytes([`POST ${ordersPath} HTTP/1.1`, 'Host: x', json, 'Content-Length: 1073741824']),
    );
    while (!connection.closed) await connection.send(Buffer.alloc(64 * 1024, 0x20));
    expect(counters()).toEqual(before);
    expect((await exchange(port, healthBytes)).status).toBe(200);
  });
});

describe('the body of a request that is refused by its head', () => {
  const body = Buffer.concat([orderBytes(), orderBytes()]);

  test.each([
    ['for its Content-Type', ordersPath, 'POST', ['Content-Type: text/plain'], 415],
    ['for its path', '/v1/nothing', 'POST', [json], 404],
    ['for its method', '/v1/sales/s', 'DELETE', [json], 405],
    ['for its sale id', '/v1/sales/a%20b/orders', 'POST', [json], 400],
    ['for its key', ordersPath, 'POST', [json, `Idempotency-Key: ${'k'.repeat(65)}`], 400],
  ])('%s is never taken for requests', async (_, path, method, headers, status) => {
    const request = requestBytes({ path, method, headers, body });
    const head = request.length - body.length;
    for (const parts of [
      [request],
      [request.subarray(0, head), request.subarray(head)],
      [request.subarray(0, head + 30), request.subarray(head + 30)],
    ]) {
      expect((await refused(parts)).status).toBe(status);
    }
  });

  test('a body where none belongs is refused and changes nothing', async () => {
    const placed = JSON.parse((await exchange(port, orderBytes())).body);
    for (const step of ['confirm', 'cancel']) {
      const path = `/v1/orders/${placed.orderId}/${step}`;
      expectProblem(await refused(requestBytes({ path, body: '{}' })), 400, 'invalid_request');
      expectProblem(await refused(requestBytes({ path, body: 'x'.repeat(5_000) })), 413, 'payload_too_large');
    }
  });
});
