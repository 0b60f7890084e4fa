/**
 * Clients that read slowly: a long answer reaches them whole, is not kept by the connection meanwhile, and counts as
 * under way until they have it. The answers here are longer than what a kernel keeps for a client on the same machine.
 */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { headOf } from '../../dist/acceptor/answer.js';
import { newExchangeHost } from '../../dist/acceptor/exchange.js';
import { route } from '../../dist/acceptor/router.js';
import { loadUws } from '../../dist/acceptor/uws/load.js';
import { limits } from '../../dist/config.js';
import { RawConnection, requestBytes } from '../support/raw-http.js';
import { until } from '../support/until.js';

const uws = loadUws();
const app = uws.App();
const host = newExchangeHost((error) => {
  throw error;
});
/** Multi-byte characters, so that lengths in characters and in bytes differ. */
const long = '雷鸟'.repeat(4 * 1024 * 1024);
const head = headOf(200, 'application/json');
/** A short one, of which there may be any number. */
const page = 'x'.repeat(limits.answerBytesAtOnceMax);
let pagesSent = 0;
let port = 0;

beforeAll(() => {
  route(app, host, [
    { method: 'get', pattern: '/long', handle: (exchange) => exchange.send(head, long) },
    { method: 'get', pattern: '/short', handle: (exchange) => exchange.send(head, '{}') },
    {
      method: 'get',
      pattern: '/later',
      handle: (exchange) => {
        setImmediate(() => {
          if (!exchange.open) return;
          pagesSent += 1;
          exchange.send(head, page);
        });
      },
    },
    {
      method: 'get',
      pattern: '/page',
      handle: (exchange) => {
        pagesSent += 1;
        exchange.send(head, page);
      },
    },
  ]);
  app.listen('127.0.0.1', 0, (socket) => {
    if (socket !== false) port = uws.us_socket_local_port(socket);
  });
});
afterAll(() => {
  app.close();
});

const ask = (path: string) => requestBytes({ method: 'GET', path });

/** A client that asked for the long answer and does not read it. */
async function lazy(others = 0): Promise<RawConnection> {
  const connection = await RawConnection.open(port);
  connection.socket.pause();
  await connection.send(ask('/long'));
  await until('the answer to be under way', () => host.active === others + 1);
  return connection;
}

/** Asks on a connection of its own and waits for the answer: the server is not held up. */
async function expectServed(): Promise<void> {
  const other = await RawConnection.open(port);
  await other.send(ask('/short'));
  expect(await other.answer()).toMatchObject({ status: 200, body: '{}' });
  other.destroy();
}

test('get all of it once they read, and their connection goes on', async () => {
  const connection = await lazy();
  await expectServed();
  expect(host.active).toBe(1);
  connection.socket.resume();
  const { status, body } = await connection.answer(20_000);
  expect(status).toBe(200);
  expect(body === long).toBe(true);
  expect(host.active).toBe(0);
  await connection.send(ask('/short'));
  expect(await connection.answer()).toMatchObject({ status: 200, body: '{}' });
  connection.destroy();
});

test('are waited for: the server becomes idle when the last of it is out', async () => {
  const connection = await lazy();
  const idle = new Promise<void>((done) => {
    host.onIdle = done;
  });
  expect(host.active).toBe(1);
  connection.socket.resume();
  await idle;
  host.onIdle = undefined;
  expect((await connection.answer(20_000)).body === long).toBe(true);
  connection.destroy();
});

test('are not waited for once they are gone', async () => {
  const connection = await lazy();
  const gone = once(connection.socket, 'close');
  connection.socket.resetAndDestroy();
  await gone;
  await until('the server to be idle', () => host.active === 0);
  await expectServed();
});

test('tie up so much memory and no more: beyond it a long answer is refused', async () => {
  const bytes = Buffer.byteLength(long);
  const room = Math.floor(limits.unsentBytesMax / bytes);
  const lazyOnes: RawConnection[] = [];
  for (let i = 0; i < room; i++) lazyOnes.push(await lazy(i));
  expect(host.unsentBytes).toBe(room * bytes);
  const other = await RawConnection.open(port);
  await other.send(ask('/long'));
  const refused = await other.answer();
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'overloaded' });
  await expectServed();
  for (const connection of lazyOnes) connection.socket.resetAndDestroy();
  await until('the server to be idle', () => host.active === 0);
  expect(host.unsentBytes).toBe(0);
  await other.send(ask('/long'));
  expect((await other.answer(20_000)).body === long).toBe(true);
  other.destroy();
});

test('get no further answer before they have read the one before, however many requests they send in one packet', async () => {
  const connection = await RawConnection.open(port);
  connection.socket.pause();
  const requests = 50_000;
  pagesSent = 0;
  void connection.send(Buffer.concat(Array.from({ length: requests }, () => ask('/page'))));
  // Its connection is closed at the first request after an answer that it does not take.
  await until('the server to give up', () => pagesSent > 0 && host.active === 0);
  await expectServed();
  // What the kernel keeps of it on both sides, and not a page more.
  expect(pagesSent * page.length).toBeLessThan(16 * 1024 * 1024);
  expect(host.unsentBytes).toBe(0);
  connection.destroy();
});

test('nor many more where they ask for one after the other and are answered later', async () => {
  const connection = await RawConnection.open(port);
  connection.socket.pause();
  pagesSent = 0;
  let asked = 0;
  do {
    asked += 1;
    await connection.send(ask('/later'));
    await until('an answer', () => pagesSent === asked);
  } while (host.active === 0);
  // There is one now that he does not take: a further request closes his connection.
  await connection.send(ask('/later'));
  await until('the server to give up', () => host.active === 0);
  expect(pagesSent).toBe(asked);
  await expectServed();
  expect(pagesSent * page.length).toBeLessThan(16 * 1024 * 1024);
  expect(host.unsentBytes).toBe(0);
  connection.destroy();
});
