/**
 * Requests of every kind on many connections at once, one after another: a server uses the same few objects for all of
 * them, and nobody gets an answer, or a part of a body, that is another's.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { Engine } from '../../dist/index.js';
import { effort } from '../support/effort.js';
import { RawConnection, requestBytes, sendInPieces } from '../support/raw-http.js';
import { randomFrom, seed } from '../support/seed.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';
import { within } from '../support/until.js';

const connections = 32;
const steps = effort(15, 300);
const sku = 'a';
const dataDir = makeTempDir();
let engine: Engine;
let port: number;

beforeAll(async () => {
  engine = await Engine.start({ dataDir, durability: 'memory', shards: 2 });
  ({ port } = await engine.listen({ port: 0 }));
  for (const [sale, stock] of [
    ['open', 1_000_000],
    ['sold-out', 0],
    ['one-left', 1],
    ['paused', 1],
    ['ended', 1],
  ] as const) {
    const put = await engine.putSale(sale, {
      skus: [{ sku, stock, ...(sale === 'open' ? { limitPerBuyer: 1 } : {}) }],
    });
    expect(put.ok).toBe(true);
  }
  expect((await engine.pauseSale('paused')).ok).toBe(true);
  expect((await engine.endSale('ended')).ok).toBe(true);
});
afterAll(async () => {
  // A request that was never given back would hold this up until the deadline of 10 seconds.
  await within('an orderly close', engine.close(), 5_000);
  removeTempDir(dataDir);
});

const json = 'Content-Type: application/json';
const orderBytes = (sale: string, buyer: string, quantity = 1) =>
  requestBytes({
    path: `/v1/sales/${sale}/orders`,
    headers: [json],
    body: JSON.stringify({ sku, buyer, quantity }),
  });

/** A client: what each kind of request asks for, and what has to come of it. */
class Client {
  readonly #random: () => number;
  readonly #name: string;
  #connection: RawConnection | undefined;
  #orders = 0;
  /** Orders that were answered, and those whose answer nobody waited for. */
  accepted = 0;
  unknown = 0;

  constructor(index: number) {
    this.#random = randomFrom(seed + index);
    this.#name = `client-${index}`;
  }

  async step(): Promise<void> {
    const kinds = [
      this.#whole,
      this.#inPieces,
      this.#again,
      this.#soldOut,
      this.#paused,
      this.#ended,
      this.#tooMany,
      this.#malformed,
      this.#noJson,
      this.#tooLong,
      this.#leaveEarly,
      this.#leaveLate,
    ];
    await kinds[Math.floor(this.#random() * kinds.length)]!.call(this);
  }

  #buyer(): string {
    return `${this.#name}-${'x'.repeat(Math.floor(this.#random() * 20))}-${this.#orders++}`;
  }

  async #open(): Promise<RawConnection> {
    this.#connection ??= await RawConnection.open(port);
    return this.#connection;
  }

  leave(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async #accepted(buyer: string): Promise<void> {
    const { status, headers, body } = await (await this.#open()).answer();
    expect(status).toBe(201);
    const order = JSON.parse(body);
    expect(order).toMatchObject({ sale: 'open', sku, buyer, quantity: 1 });
    expect(headers.get('location')).toBe(`/v1/orders/${order.orderId}`);
    this.accepted += 1;
  }

  async #refused(status: number, code: string): Promise<void> {
    const answer = await (await this.#open()).answer();
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  }

  async #whole(): Promise<void> {
    const buyer = this.#buyer();
    await (await this.#open()).send(orderBytes('open', buyer));
    await this.#accepted(buyer);
  }

  async #inPieces(): Promise<void> {
    const buyer = this.#buyer();
    // Long enough that what is counted of one body would be missed by the next ones.
    const padding = ' '.repeat(this.#random() * 3_000);
    const body = `${padding}${JSON.stringify({ sku, buyer })}`;
    const bytes = requestBytes({ path: '/v1/sales/open/orders', headers: [json], body });
    const pieces: Buffer[] = [];
    for (let from = 0; from < bytes.length; ) {
      const to = from + 1 + Math.floor((this.#random() * bytes.length) / 3);
      pieces.push(bytes.subarray(from, to));
      from = to;
    }
    await sendInPieces(port, await this.#open(), pieces);
    await this.#accepted(buyer);
  }

  async #again(): Promise<void> {
    const buyer = this.#buyer();
    const connection = await this.#open();
    await connection.send(orderBytes('open', buyer));
    await this.#accepted(buyer);
    await connection.send(orderBytes('open', buyer));
    await this.#refused(409, 'limit_reached');
  }

  async #soldOut(): Promise<void> {
    await (await this.#open()).send(orderBytes('sold-out', this.#buyer()));
    await this.#refused(409, 'sold_out');
  }

  async #paused(): Promise<void> {
    await (await this.#open()).send(orderBytes('paused', this.#buyer()));
    await this.#refused(409, 'paused');
  }

  async #ended(): Promise<void> {
    await (await this.#open()).send(orderBytes('ended', this.#buyer()));
    await this.#refused(410, 'ended');
  }

  async #tooMany(): Promise<void> {
    await (await this.#open()).send(orderBytes('one-left', this.#buyer(), 2));
    await this.#refused(409, 'insufficient_stock');
  }

  async #malformed(): Promise<void> {
    const body = JSON.stringify({ sku, buyer: '' });
    await (await this.#open()).send(requestBytes({ path: '/v1/sales/open/orders', headers: [json], body }));
    await this.#refused(400, 'invalid_request');
  }

  async #noJson(): Promise<void> {
    const body = JSON.stringify({ sku, buyer: this.#buyer() });
    await (await this.#open()).send(
      requestBytes({ path: '/v1/sales/open/orders', headers: ['Content-Type: text/plain'], body }),
    );
    await this.#refused(415, 'unsupported_media_type');
  }

  /** Goes on to send after the answer, until the connection is closed. */
  async #tooLong(): Promise<void> {
    const buyer = this.#buyer();
    const body = JSON.stringify({ sku, buyer }) + ' '.repeat(4 * limits.orderBodyBytesMax);
    const bytes = requestBytes({ path: '/v1/sales/open/orders', headers: [json], body });
    const connection = await this.#open();
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, i) =>
      bytes.subarray(i * 1_000, (i + 1) * 1_000),
    );
    await sendInPieces(port, connection, pieces);
    await this.#refused(413, 'payload_too_large');
    await connection.closing();
    this.leave();
  }

  async #leaveEarly(): Promise<void> {
    const bytes = orderBytes('open', this.#buyer());
    await (await this.#open()).send(bytes.subarray(0, Math.floor(this.#random() * bytes.length)));
    this.leave();
  }

  async #leaveLate(): Promise<void> {
    await (await this.#open()).send(orderBytes('open', this.#buyer()));
    this.unknown += 1;
    this.leave();
  }
}

test(`each request gets the answer to it and nothing else (LEINIAO_TEST_SEED=${seed})`, async () => {
  const clients = Array.from({ length: connections }, (_, i) => new Client(i));
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < steps; i++) await client.step();
      client.leave();
    }),
  );
  const sum = (of: (client: Client) => number) => clients.reduce((total, client) => total + of(client), 0);
  const accepted = sum((client) => client.accepted);
  const stock = engine.stock('open', sku);
  if (!stock.ok) throw new Error(stock.code);
  expect(accepted).toBeGreaterThan(connections);
  expect(stock.sku.held).toBeGreaterThanOrEqual(accepted);
  expect(stock.sku.held).toBeLessThanOrEqual(accepted + sum((client) => client.unknown));
});
