/**
 * Answers that wait for the end of a turn: with a loop that is turned by hand, each reaches its own recipient then, whatever
 * becomes of others; over real sockets they come, and who has left is left out.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../dist/acceptor/answer.js';
import { Exchange, newExchangeHost } from '../../dist/acceptor/exchange.js';
import { Outbox } from '../../dist/acceptor/outbox.js';
import { route } from '../../dist/acceptor/router.js';
import { loadUws } from '../../dist/acceptor/uws/load.js';
import { RawConnection, requestBytes } from '../support/raw-http.js';

const uws = loadUws();
const app = uws.App();
const defects: unknown[] = [];
const host = newExchangeHost((error) => {
  defects.push(error);
});
const answer: Answer = { head: '409 Conflict', body: '{}' };
/** How the server stood right after each answer had been put into the outbox. */
const seen: { open: boolean; active: number }[] = [];
let port = 0;

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

describe('with a loop that is turned by hand', () => {
  const answerTo = (name: string): Answer => ({ head: '409 Conflict', body: name });
  let turns: (() => void)[] = [];
  let given: string[] = [];
  const turn = () => {
    for (const action of turns.splice(0)) action();
  };
  const newOutbox = () => new Outbox({ soon: (action) => turns.push(action) });
  const recipient = (name: string, onAnswer?: () => void) => ({
    answer: ({ body }: Answer) => {
      onAnswer?.();
      given.push(`${name}: ${body}`);
    },
    fail: (error: unknown) => given.push(`${name} failed: ${(error as Error).message}`),
  });
  const fails = (message: string) => () => {
    throw new Error(message);
  };

  beforeEach(() => {
    turns = [];
    given = [];
  });

  test('each recipient is given his own answer, in order, at the end of his turn and once', () => {
    const outbox = newOutbox();
    for (const names of [['a', 'b', 'c'], ['d'], ['e', 'f']]) {
      for (const name of names) outbox.add(recipient(name), answerTo(name));
      expect(given).toEqual([]);
      expect(turns).toHaveLength(1);
      turn();
      expect(given).toEqual(names.map((name) => `${name}: ${name}`));
      given = [];
    }
    turn();
    expect(given).toEqual([]);
  });

  test('what is added while answers are sent belongs to the next turn', () => {
    const outbox = newOutbox();
    outbox.add(
      recipient('a', () => outbox.add(recipient('b'), answerTo('b'))),
      answerTo('a'),
    );
    turn();
    expect(given).toEqual(['a: a']);
    turn();
    expect(given).toEqual(['a: a', 'b: b']);
  });

  test('one that fails is told of it, and the others of its turn are sent', () => {
    const outbox = newOutbox();
    for (const name of ['a', 'b', 'c']) {
      outbox.add(recipient(name, name === 'b' ? fails('broken') : undefined), answerTo(name));
    }
    turn();
    expect(given).toEqual(['a: a', 'b failed: broken', 'c: c']);
  });

  test('where even that fails, later turns go on', () => {
    const outbox = newOutbox();
    outbox.add({ answer: fails('broken'), fail: fails('worse') }, answerTo('a'));
    expect(turn).toThrow('worse');
    outbox.add(recipient('b'), answerTo('b'));
    turn();
    expect(given).toEqual(['b: b']);
  });
});
