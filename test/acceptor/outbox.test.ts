/** Answers that wait for the end of a turn, over real sockets: they come, nobody else's hinder them, and who left is left out. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Answer } from '../../dist/acceptor/answer.js';
import { Exchange, type ExchangeHost } from '../../dist/acceptor/exchange.js';
import { Outbox } from '../../dist/acceptor/outbox.js';
import { route } from '../../dist/acceptor/router.js';
import { loadUws } from '../../dist/acceptor/uws/load.js';
import { RawConnection, requestBytes } from '../support/raw-http.js';

const uws = loadUws();
const app = uws.App();
const defects: unknown[] = [];
const host: ExchangeHost = {
  active: 0,
  gatheredBytes: 0,
  unsentBytes: 0,
  closing: false,
  corked: false,
  onIdle: undefined,
  onDefect: (error) => {
    defects.push(error);
  },
  outbox: new Outbox(),
};
const answer: Answer = { head: '409 Conflict', body: '{}' };
/** How the server stood right after each answer had been put into the outbox. */
const seen: { open: boolean; active: number }[] = [];
let port = 0;

class Broken extends Exchange {
  handle(): void {
    this.answerSoon(answer);
  }
  override answer(what: Answer): void {
    if (what === answer) throw new Error('broken');
    super.answer(what);
  }
}

beforeAll(() => {
  route(app, host, [
    {
      method: 'get',
      pattern: '/soon',
      handle: (exchange) => {
        exchange.answerSoon(answer);
        seen.push({ open: exchange.open, active: host.active });
      },
    },
    {
      method: 'get',
      pattern: '/gone',
      open: (res) => {
        const exchange = new Exchange(host);
        exchange.begin(res);
        return Object.assign(exchange, {
          handle: () => {
            exchange.answerSoon(answer);
            seen.push({ open: exchange.open, active: host.active });
            res.close();
          },
        });
      },
    },
    {
      method: 'get',
      pattern: '/broken',
      open: (res) => {
        const exchange = new Broken(host);
        exchange.begin(res);
        return exchange;
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
beforeEach(() => {
  seen.length = 0;
  defects.length = 0;
});

const get = async (path: string): Promise<RawConnection> => {
  const connection = await RawConnection.open(port);
  await connection.send(requestBytes({ method: 'GET', path }));
  return connection;
};

test('an answer leaves after its turn, and its connection goes on', async () => {
  const connection = await get('/soon');
  expect((await connection.answer()).status).toBe(409);
  await connection.send(requestBytes({ method: 'GET', path: '/soon' }));
  expect((await connection.answer()).status).toBe(409);
  expect(seen).toEqual([
    { open: true, active: 1 },
    { open: true, active: 1 },
  ]);
  expect(host.active).toBe(0);
  connection.destroy();
});

test('a client who leaves before that is not answered', async () => {
  const connection = await get('/gone');
  await connection.closing();
  // What was in the outbox is out when a later answer is.
  const other = await get('/soon');
  expect((await other.answer()).status).toBe(409);
  expect(seen[0]).toEqual({ open: true, active: 1 });
  expect(host.active).toBe(0);
  expect(defects).toEqual([]);
  other.destroy();
});

test('one that fails is reported, and the others of its turn are sent', async () => {
  const connections = await Promise.all(['/broken', '/soon', '/broken', '/soon'].map(get));
  const statuses = await Promise.all(connections.map(async (one) => (await one.answer()).status));
  expect(statuses).toEqual([500, 409, 500, 409]);
  expect(defects).toHaveLength(2);
  for (const connection of connections) connection.destroy();
});
