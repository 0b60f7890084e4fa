/** Heads, paths, methods and keys that no client should send, down to the byte: raw sockets, a real engine. */

import { describe, expect, test } from 'vitest';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import { until } from '../support/until.js';
import {
  counters,
  expectProblem,
  healthBytes,
  json,
  order,
  ordersPath,
  port,
  rawBytes,
  refused,
  serve,
} from './raw-server.js';

serve();

describe('a head is refused', () => {
  const valid = ['Host: x', json, `Content-Length: ${JSON.stringify(order).length}`];
  const post = (...headers: string[]) =>
    rawBytes([`POST ${ordersPath} HTTP/1.1`, ...headers], JSON.stringify(order));

  test.each([
    ['no Content-Type', []],
    ['another Content-Type', ['Content-Type: text/plain']],
    ['an empty Content-Type', ['Content-Type: ']],
    ['a Content-Type that only begins like JSON', ['Content-Type: application/json5']],
    ['two types in one', ['Content-Type: text/plain, application/json']],
  ])('with %s: 415', async (_, headers) => {
    const request = requestBytes({ path: ordersPath, headers, body: JSON.stringify(order) });
    expectProblem(await refused(request), 415, 'unsupported_media_type');
  });

  test.each([
    ['chunked', 'Transfer-Encoding: chunked'],
    ['of another kind', 'Transfer-Encoding: gzip, chunked'],
    ['in capitals', 'TRANSFER-ENCODING: CHUNKED'],
  ])('with a Transfer-Encoding %s: 400, and the connection closes', async (_, header) => {
    const body = JSON.stringify(order);
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const answer = await refused(rawBytes([`POST ${ordersPath} HTTP/1.1`, 'Host: x', json, header], chunked));
    expectProblem(answer, 400, 'invalid_request');
    expect(answer.headers.get('connection')).toBe('close');
  });

  test.each([
    ['a Transfer-Encoding beside a Content-Length', post(...valid, 'Transfer-Encoding: chunked')],
    ['a negative Content-Length', post('Host: x', json, 'Content-Length: -1')],
    ['a Content-Length with a sign', post('Host: x', json, 'Content-Length: +22')],
    ['a Content-Length that is no number', post('Host: x', json, 'Content-Length: many')],
    ['a hexadecimal Content-Length', post('Host: x', json, 'Content-Length: 0x16')],
    ['two Content-Lengths in one', post('Host: x', json, 'Content-Length: 22, 22')],
    ['a Content-Length of many digits', post('Host: x', json, `Content-Length: ${'9'.repeat(30)}`)],
    ['no Host', post(json, valid[2]!)],
    ['a header without a colon', post(...valid, 'Nonsense')],
    ['a space before the colon', post(...valid, 'X-Odd : 1')],
    ['a folded header', post(...valid, 'X-Odd: 1', ' folded')],
    ['a control character in a header', post(...valid, 'X-Odd: a\x01b')],
    ['a NUL in a header', post(...valid, 'X-Odd: a\0b')],
    ['a control character in the key', post(...valid, 'Idempotency-Key: a\x01b')],
    ['a tab in the key', post(...valid, 'Idempotency-Key: a\tb')],
    ['a key of 65 bytes', post(...valid, `Idempotency-Key: ${'k'.repeat(65)}`)],
  ])('with %s: 400, and the connection closes', async (_, request) => {
    const answer = await refused(request);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('connection')).toBe('close');
  });

  test.each([
    ['a header of 8 KiB', post(...valid, `X-Long: ${'x'.repeat(8_192)}`)],
    ['200 headers', post(...valid, ...Array.from({ length: 200 }, (__, i) => `X-${i}: 1`))],
    ['a path of 8 KiB', rawBytes([`GET /${'x'.repeat(8_192)} HTTP/1.1`, 'Host: x'])],
  ])('with %s: 431, and the connection closes', async (_, request) => {
    const answer = await refused(request);
    expect(answer.status).toBe(431);
    expect(answer.headers.get('connection')).toBe('close');
  });

  test.each([
    ['HTTP/1.0', rawBytes([`POST ${ordersPath} HTTP/1.0`, ...valid], JSON.stringify(order))],
    ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['TLS', Buffer.from('16030100c8010000c40303\r\n\r\n', 'hex')],
    ['lines that end in LF only', Buffer.from('GET /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n')],
    ['zeros', Buffer.alloc(64)],
  ])('in %s, and the connection closes', async (_, request) => {
    const before = counters();
    const connection = await RawConnection.open(port);
    await connection.send(request);
    // What is no HTTP/1.1 at all may wait for more of it; the client's end of the connection settles it.
    connection.socket.end();
    await connection.closing();
    expect(connection.received.toString()).toMatch(/^$|^HTTP\/1\.1 (400|505) /);
    expect(counters()).toEqual(before);
    expect((await exchange(port, healthBytes)).status).toBe(200);
  });
});

describe('a path', () => {
  test.each([
    ['with a percent-encoded space', '/v1/sales/a%20b', 400],
    ['with a percent-encoded letter', '/v1/sales/%73', 400],
    ['with a percent-encoded slash', '/v1/sales/s%2Fskus%2Fa', 400],
    ['with a broken percent sign', '/v1/sales/%', 400],
    ['with bytes beyond ASCII', '/v1/sales/é', 400],
    ['with an id of 65 characters', `/v1/sales/${'s'.repeat(65)}`, 400],
    ['with an empty id', '/v1/sales/', 404],
    ['with doubled slashes', '//v1/sales/s', 404],
    ['with a slash at its end', '/v1/sales/s/', 404],
    ['in capitals', '/V1/SALES/s', 404],
    ['with a parameter after a semicolon', '/v1/sales;x/s', 404],
  ])('%s is %s: %i', async (_, path, status) => {
    expect((await refused(requestBytes({ method: 'GET', path }))).status).toBe(status);
  });

  test('in absolute form or with * instead is refused', async () => {
    for (const line of ['GET http://x/healthz HTTP/1.1', 'OPTIONS * HTTP/1.1']) {
      const connection = await RawConnection.open(port);
      await connection.send(rawBytes([line, 'Host: x']));
      const { status } = await connection.answer();
      expect(status).toBeGreaterThanOrEqual(400);
      connection.destroy();
    }
  });
});

describe('a method', () => {
  test.each(['OPTIONS', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'X'])(
    '%s is answered 405 with Allow',
    async (method) => {
      const answer = await refused(requestBytes({ method, path: '/v1/sales/s' }));
      expectProblem(answer, 405, 'method_not_allowed');
      expect(answer.headers.get('allow')).toBe('PUT, GET');
    },
  );

  test('HEAD is answered without a body, so that the next answer on the connection is not mistaken', async () => {
    for (const path of ['/healthz', '/v1/sales/s', '/v1/nothing']) {
      const connection = await RawConnection.open(port);
      await connection.send(requestBytes({ method: 'HEAD', path }));
      await until('the head of an answer', () => connection.received.includes('\r\n\r\n'));
      await connection.send(healthBytes);
      await until('the next answer', () => connection.received.includes('{"status":"ok"}'));
      const [, next] = connection.received.toString().split('\r\n\r\n', 2);
      expect(next).toMatch(/^HTTP\/1\.1 200 OK/);
      connection.destroy();
    }
  });
});

describe('an Idempotency-Key', () => {
  const statusOf = async (key: Buffer): Promise<number> => {
    const body = JSON.stringify(order);
    const head = rawBytes([`POST ${ordersPath} HTTP/1.1`, 'Host: x', json, `Content-Length: ${body.length}`]);
    const request = Buffer.concat([
      head.subarray(0, head.length - 2),
      Buffer.from('Idempotency-Key: '),
      key,
      Buffer.from(`\r\n\r\n${body}`),
    ]);
    return (await exchange(port, request)).status;
  };

  test('of 64 bytes is taken', async () => {
    const key = Buffer.from('k'.repeat(64));
    expect([await statusOf(key), await statusOf(key)]).toEqual([201, 200]);
  });

  // Where such bytes begin or end the value, uWebSockets.js strips them before anybody can see them.
  test('of UTF-8 beyond ASCII is refused, not changed', async () => {
    for (const key of ['1-é-1', '1-雷-1', 'a雷鸟z']) expect(await statusOf(Buffer.from(key))).toBe(400);
  });

  test('that is there but empty counts as none', async () => {
    expect([await statusOf(Buffer.from('')), await statusOf(Buffer.from(''))]).toEqual([201, 201]);
  });

  test.each([
    ['Latin-1', [0x61, 0xe9, 0x62]],
    ['bytes that are no UTF-8', [0x61, 0xff, 0xfe, 0x62]],
  ])('of %s is refused', async (_, bytes) => {
    expect(await statusOf(Buffer.from(bytes))).toBe(400);
  });
});
