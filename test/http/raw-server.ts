/** A server for requests byte by byte, and what a refusal of one must leave as it was. */

import { afterAll, beforeAll, expect } from 'vitest';
import { Engine } from '../../dist/index.js';
import { exchange, type RawAnswer, RawConnection, requestBytes, sendInPieces } from '../support/raw-http.js';
import { within } from '../support/until.js';

export const inFlightMax = 256;
export let engine: Engine;
export let port: number;

/** Serves an open sale to the tests of a file. */
export function serve(): void {
  beforeAll(async () => {
    engine = await Engine.start({ durability: 'memory', shards: 1, inFlightMax, ordersPerShardMax: 1 << 16 });
    ({ port } = await engine.listen({ port: 0 }));
    await engine.putSale('s', { skus: [{ sku: 'a', stock: 1_000_000 }] });
  });
  // A request that was never answered would hold the close up until its deadline of 10 seconds.
  afterAll(() => within('an orderly close', engine.close(), 5_000));
}

export const json = 'Content-Type: application/json';
export const order = { sku: 'a', buyer: 'b' };
export const ordersPath = '/v1/sales/s/orders';

export function orderBytes(body: string | Buffer | object = order, ...headers: string[]): Buffer {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return requestBytes({ path: ordersPath, headers: [json, ...headers], body: bytes });
}

export const healthBytes = requestBytes({ method: 'GET', path: '/healthz' });

/** A request with everything as given. */
export function rawBytes(head: readonly string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from([...head, '', ''].join('\r\n'), 'latin1'), Buffer.from(body)]);
}

export function counters(): unknown {
  const answer = engine.stock('s', 'a');
  return answer.ok && answer.sku;
}

export function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(JSON.parse(answer.body)).toMatchObject({ status, code, detail: expect.stringMatching(/\S/) });
}

/**
 * Sends a request and returns its answer, once it is certain that the request changed nothing, that its connection
 * is either closed or in step, and that the server still serves.
 */
export async function refused(request: Buffer | readonly Buffer[]): Promise<RawAnswer> {
  const before = counters();
  const connection = await RawConnection.open(port);
  try {
    if (Buffer.isBuffer(request)) await connection.send(request);
    else await sendInPieces(port, connection, request);
    const answer = await connection.answer();
    if (answer.headers.get('connection') === 'close') {
      await connection.closing();
    } else {
      await connection.send(healthBytes);
      expect(await connection.answer()).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    }
    expect((await exchange(port, healthBytes)).status).toBe(200);
    expect(counters()).toEqual(before);
    return answer;
  } finally {
    connection.destroy();
  }
}
