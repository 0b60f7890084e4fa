/** Requests that are unusual and allowed: in pieces, several in a packet, with escapes. Raw sockets, a real engine. */

import { beforeAll, describe, expect, test } from 'vitest';
import { exchange, RawConnection, requestBytes, sendInPieces } from '../support/raw-http.js';
import { engine, json, order, orderBytes, ordersPath, port, rawBytes, refused, serve } from './raw-server.js';

serve();

describe('what is unusual and allowed is understood', () => {
  test.each([
    ['64 bytes of ASCII', 'b'.repeat(64)],
    ['64 bytes in two-byte letters', 'é'.repeat(32)],
    ['64 bytes in three-byte letters', `${'雷'.repeat(21)}x`],
    ['64 bytes in four-byte letters', '😀'.repeat(16)],
    ['quotes, backslashes and markup', '"\\</script>\'&é'],
    ['one space', ' '],
  ])('a buyer of %s comes back as it was', async (_, buyer) => {
    const answer = await exchange(port, orderBytes({ sku: 'a', buyer }));
    expect(answer.status).toBe(201);
    const placed = JSON.parse(answer.body);
    expect(placed.buyer).toBe(buyer);
    const read = await exchange(port, requestBytes({ method: 'GET', path: `/v1/orders/${placed.orderId}` }));
    expect(JSON.parse(read.body)).toEqual(placed);
    const list = `${ordersPath}?buyer=${encodeURIComponent(buyer)}`;
    const listed = await exchange(port, requestBytes({ method: 'GET', path: list }));
    expect(JSON.parse(listed.body).orders).toContainEqual(placed);
  });

  test.each([
    ['1e3', 1_000],
    ['1.0', 1],
    ['100e-2', 1],
    ['1000', 1_000],
  ])('the quantity %s is %i', async (text, quantity) => {
    const answer = await exchange(port, orderBytes(`{"sku":"a","buyer":"b","quantity":${text}}`));
    expect(JSON.parse(answer.body)).toMatchObject({ quantity });
  });

  test('escapes in names and texts, white space around everything', async () => {
    const body = '\r\n\t { "\\u0073ku" : "\\u0061" ,\n"buyer":"\\ud83d\\ude00" } ';
    const answer = await exchange(port, orderBytes(body));
    expect(JSON.parse(answer.body)).toMatchObject({ sku: 'a', buyer: '😀' });
  });

  test('a field that is given twice counts once, the last time', async () => {
    const answer = await exchange(
      port,
      orderBytes('{"sku":"x","quantity":9,"sku":"a","buyer":"b","quantity":2}'),
    );
    expect(JSON.parse(answer.body)).toMatchObject({ sku: 'a', quantity: 2 });
  });

  test('a request in any number of pieces, down to single bytes', async () => {
    const request = orderBytes({ ...order, buyer: 'piece by piece 雷' });
    for (const size of [1, 7, 50]) {
      const connection = await RawConnection.open(port);
      const pieces = Array.from({ length: Math.ceil(request.length / size) }, (_, i) =>
        request.subarray(i * size, (i + 1) * size),
      );
      await sendInPieces(port, connection, pieces);
      const answer = await connection.answer();
      expect(answer.status).toBe(201);
      expect(JSON.parse(answer.body).buyer).toBe('piece by piece 雷');
      connection.destroy();
    }
  });

  test.each([
    ['with a Content-Length of 0', ['Content-Length: 0']],
    ['without a Content-Length', []],
  ])('a request without a body, %s, in two pieces', async (_, headers) => {
    const placed = await exchange(port, orderBytes());
    const { orderId } = JSON.parse(placed.body);
    const request = requestBytes({ path: `/v1/orders/${orderId}/confirm`, headers });
    for (let at = 1; at < request.length; at += 7) {
      const connection = await RawConnection.open(port);
      await sendInPieces(port, connection, [request.subarray(0, at), request.subarray(at)]);
      expect(await connection.answer()).toMatchObject({ status: 200 });
      connection.destroy();
    }
    const empty = requestBytes({ path: ordersPath, headers: [json, ...headers] });
    const connection = await RawConnection.open(port);
    await sendInPieces(port, connection, [empty.subarray(0, 30), empty.subarray(30)]);
    expect(await connection.answer()).toMatchObject({ status: 400 });
    await connection.send(orderBytes());
    expect((await connection.answer()).status).toBe(201);
    connection.destroy();
  });

  test('Expect: 100-continue is answered with 100 before the body and 201 after it', async () => {
    const body = JSON.stringify(order);
    const connection = await RawConnection.open(port);
    await connection.send(
      rawBytes([
        `POST ${ordersPath} HTTP/1.1`,
        'Host: x',
        json,
        `Content-Length: ${body.length}`,
        'Expect: 100-continue',
      ]),
    );
    expect((await connection.answer()).status).toBe(100);
    await connection.send(body);
    expect((await connection.answer()).status).toBe(201);
    connection.destroy();
  });

  test('a body on a GET is passed over', async () => {
    const request = requestBytes({
      method: 'GET',
      path: '/v1/sales/s',
      body: 'GET /v1/sales/x HTTP/1.1\r\n\r\n',
    });
    expect((await refused(request)).status).toBe(200);
  });

  test('requests in one packet are answered in their order', async () => {
    const connection = await RawConnection.open(port);
    const paths = ['/healthz', '/v1/sales/none', '/readyz', '/v1/orders', '/v1/sales/s'];
    await connection.send(Buffer.concat(paths.map((path) => requestBytes({ method: 'GET', path }))));
    const statuses: number[] = [];
    for (const _ of paths) statuses.push((await connection.answer()).status);
    expect(statuses).toEqual([200, 404, 200, 404, 200]);
    connection.destroy();
  });
});

test('orders in one packet may go unanswered, and their keys tell what became of them', async () => {
  const before = engine.stock('s', 'a');
  const connection = await RawConnection.open(port);
  const keys = ['packed-1', 'packed-2', 'packed-3'];
  const requests = keys.map((key) => orderBytes(order, `Idempotency-Key: ${key}`));
  await connection.send(Buffer.concat(requests));
  // The connection closes at the second one: an answer to it could not be told from one to the first.
  await connection.closing();
  for (const request of requests) {
    const answer = await exchange(port, request);
    expect([200, 201]).toContain(answer.status);
    expect(JSON.parse((await exchange(port, request)).body)).toEqual(JSON.parse(answer.body));
  }
  const after = engine.stock('s', 'a');
  expect(before.ok && after.ok && before.sku.available - after.sku.available).toBe(keys.length);
});

describe('orders in one packet that are refused at once', () => {
  const sale = 'nothing-left';
  const orderIn = (saleId: string, sku: string) =>
    requestBytes({
      path: `/v1/sales/${saleId}/orders`,
      headers: [json],
      body: JSON.stringify({ sku, buyer: 'b' }),
    });
  const request = orderIn(sale, 'a');
  beforeAll(async () => {
    expect((await engine.putSale(sale, { skus: [{ sku: 'a', stock: 0 }] })).ok).toBe(true);
  });

  test('are answered in their order', async () => {
    const connection = await RawConnection.open(port);
    await connection.send(
      Buffer.concat([orderIn(sale, 'none'), request, orderIn('none', 'a'), request, orderIn(sale, 'none')]),
    );
    const codes: string[] = [];
    for (let i = 0; i < 5; i++) codes.push(JSON.parse((await connection.answer()).body).code);
    expect(codes).toEqual(['sku_not_found', 'sold_out', 'sale_not_found', 'sold_out', 'sku_not_found']);
    connection.destroy();
  });

  test('are not answered behind one that waits: nobody is told of somebody else’s refusal', async () => {
    const key = 'packed-before-a-refusal';
    const accepted = orderBytes(order, `Idempotency-Key: ${key}`);
    const connection = await RawConnection.open(port);
    await connection.send(Buffer.concat([accepted, request]));
    // An answer to the second could not be told from one to the first.
    await connection.closing();
    expect(connection.received.toString('latin1')).toBe('');
    const answer = await exchange(port, accepted);
    expect([200, 201]).toContain(answer.status);
  });
});
