/** Requests with anything changed in them, at random and down to the byte: raw sockets, a real engine. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectFullWidth } from '../support/full-width.js';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import { seed } from '../support/seed.js';
import { until } from '../support/until.js';
import {
  engine,
  healthBytes,
  inFlightMax,
  json,
  order,
  orderBytes,
  ordersPath,
  port,
  serve,
} from './raw-server.js';

serve();

describe(`a request with anything changed in it (LEINIAO_TEST_SEED=${seed})`, () => {
  const timeMsMax = 4_000;

  /** Requests that would be carried out as they are. */
  const originals = [
    orderBytes(),
    orderBytes(order, 'Idempotency-Key: key'),
    requestBytes({ method: 'GET', path: '/v1/sales/s' }),
    requestBytes({ method: 'GET', path: `${ordersPath}?buyer=b` }),
    requestBytes({ path: '/v1/sales/s/skus/a/restock', headers: [json], body: '{"quantity":1}' }),
    requestBytes({ path: '/v1/orders/0123456789abcdef/confirm' }),
    requestBytes({
      method: 'PUT',
      path: '/v1/sales/t',
      headers: [json],
      body: '{"startsAt":"2090-01-01T00:00:00Z","skus":[{"sku":"a","stock":5,"limitPerBuyer":1}]}',
    }),
  ];
  const pieces = [
    '\r\n',
    '\r\n\r\n',
    'Content-Length: 3\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Expect: 100-continue\r\n',
    'Connection: close\r\n',
    'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    ' HTTP/1.1',
    '%00',
    '\0',
    '"',
    '{',
    '\\u0000',
    '99999999999999999999',
    '-1',
    '/',
  ].map((piece) => Buffer.from(piece));

  /** Without bias, which would put nearly every change into the first bytes. */
  const place = fc.noBias(fc.integer({ min: 0, max: 9_999 })).map((part) => part / 10_000);
  const change = fc.oneof(
    fc.record({
      kind: fc.constant('replace'),
      at: place,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    }),
    fc.record({
      kind: fc.constant('insert'),
      at: place,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    }),
    fc.record({ kind: fc.constant('insert'), at: place, bytes: fc.constantFrom(...pieces) }),
    fc.record({ kind: fc.constant('remove'), at: place, length: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant('cut'), at: place }),
    fc.record({ kind: fc.constant('repeat'), at: place, length: fc.integer({ min: 1, max: 300 }) }),
  );
  type Change = { kind: string; at: number; bytes?: Uint8Array; length?: number };

  function changed(bytes: Buffer, { kind, at, bytes: given = new Uint8Array(), length = 0 }: Change): Buffer {
    const from = Math.floor(at * bytes.length);
    const before = bytes.subarray(0, from);
    switch (kind) {
      case 'replace':
        return Buffer.concat([before, given, bytes.subarray(from + given.length)]);
      case 'insert':
        return Buffer.concat([before, given, bytes.subarray(from)]);
      case 'remove':
        return Buffer.concat([before, bytes.subarray(from + length)]);
      case 'cut':
        return before;
      default:
        return Buffer.concat([before, bytes.subarray(from, from + length), bytes.subarray(from)]);
    }
  }

  /** Statuses the server may answer with: 505 is uWebSockets.js's own, for anything but HTTP/1.1. */
  const statuses = new Set([100, 200, 201, 400, 404, 405, 409, 410, 413, 415, 422, 431, 503, 505]);

  const request = fc
    .tuple(fc.constantFrom(...originals), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([original, changes]) => changes.reduce<Buffer>((bytes, one) => changed(bytes, one), original));

  /** Sends a request in two parts and returns the status of the first answer, or 0 for none. */
  async function statusOf(bytes: Buffer, cut: number): Promise<number> {
    const connection = await RawConnection.open(port);
    await connection.send(bytes.subarray(0, cut * bytes.length));
    await connection.send(bytes.subarray(cut * bytes.length));
    // Half of the changed requests are no whole requests, and nobody answers those.
    await until('an answer', () => connection.received.length > 0 || connection.closed, 20).catch(
      () => undefined,
    );
    connection.destroy();
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(connection.received.toString('latin1'))?.[1];
    return Number(status ?? 0);
  }

  test('never gets a 5xx but 503, never ends the server, and never leaks a slot', async () => {
    const answered = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(request, place), { minLength: 8, maxLength: 8 }),
        async (requests) => {
          const seen = await Promise.all(requests.map(([bytes, cut]) => statusOf(bytes, cut)));
          for (const status of seen) answered.set(status, (answered.get(status) ?? 0) + 1);
          expect(seen.filter((status) => status !== 0 && !statuses.has(status))).toEqual([]);
        },
      ),
      { seed, numRuns: 100_000, interruptAfterTimeLimit: timeMsMax, markInterruptAsFailure: false },
    );
    // The changes must be small enough to get past the parser, or the test would be about nothing.
    expect([...answered.keys()]).toEqual(expect.arrayContaining([200, 400]));

    expect((await exchange(port, healthBytes)).status).toBe(200);
    const line = engine.stock('s', 'a');
    expect(line.ok && line.sku.available + line.sku.held + line.sku.confirmed).toBe(
      line.ok && line.sku.total,
    );
    await expectFullWidth(engine, inFlightMax, 's', 'a');
  }, 30_000);
});
