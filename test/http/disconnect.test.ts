/** Clients that vanish at any moment: no slot stays taken for them, and what was decided for them adds up. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Order } from '../../dist/index.js';
import { expectFullWidth } from '../support/full-width.js';
import { exchange, parseAnswers, RawConnection, requestBytes } from '../support/raw-http.js';
import { randomFrom, seed } from '../support/seed.js';
import { stallShard } from '../support/stalled-store.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';
import { until, within } from '../support/until.js';

const inFlightMax = 256;
const sku = 'a';
const stock = 1_000_000;
const dataDir = makeTempDir();
let engine: Engine;
let port: number;

beforeAll(async () => {
  engine = await Engine.start({
    dataDir,
    durability: 'fsync',
    shards: 1,
    inFlightMax,
    ordersPerShardMax: 1 << 16,
    replyDeadlineMs: 20_000,
  });
  ({ port } = await engine.listen({ port: 0 }));
});
afterAll(async () => {
  // A request that was taken for unanswered would hold this up until the deadline of 10 seconds.
  await within('an orderly close', engine.close(), 5_000);
  removeTempDir(dataDir);
});

async function openSale(sale: string): Promise<void> {
  const answer = await engine.putSale(sale, { skus: [{ sku, stock }] });
  expect(answer.ok).toBe(true);
}

function orderBytes(sale: string, buyer: string, key: string): Buffer {
  return requestBytes({
    path: `/v1/sales/${sale}/orders`,
    headers: ['Content-Type: application/json', `Idempotency-Key: ${key}`],
    body: JSON.stringify({ sku, buyer, quantity: 2 }),
  });
}

const heldUnits = (sale: string): number => {
  const answer = engine.stock(sale, sku);
  return answer.ok ? answer.sku.held : Number.NaN;
};

/** Resolves once the engine has decided whatever the clients that are gone had sent. */
async function quiet(sale: string): Promise<void> {
  let seen = Number.NaN;
  let since = performance.now();
  await until('no more orders to be decided', () => {
    const units = heldUnits(sale);
    if (units !== seen) {
      seen = units;
      since = performance.now();
    }
    return performance.now() - since > 100;
  });
}

/** Checks that every buyer has at most one order and that the orders are what the counters say. */
async function expectConsistent(sale: string, buyers: readonly string[]): Promise<Order[]> {
  const orders: Order[] = [];
  for (const buyer of buyers) {
    const page = await engine.orders(sale, buyer);
    if (!page.ok) throw new Error(page.code);
    expect(page.orders.length).toBeLessThanOrEqual(1);
    orders.push(...page.orders);
  }
  const line = engine.stock(sale, sku);
  const units = orders.reduce((sum, { quantity }) => sum + quantity, 0);
  expect(line.ok && line.sku).toMatchObject({ total: stock, available: stock - units, held: units });
  const sequences = orders.map(({ sequence }) => sequence).sort((a, b) => a - b);
  expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  return orders;
}

/** Opens `count` connections, `width` at a time, and lets `use` do with each what it wants. */
async function connections(
  count: number,
  use: (connection: RawConnection, index: number) => Promise<void> | void,
  width = 200,
): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const index = next++;
      const connection = await RawConnection.open(port);
      try {
        await use(connection, index);
      } finally {
        connection.destroy();
      }
    }
  };
  await Promise.all(Array.from({ length: width }, one));
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `buyer-${i}`);

describe('clients vanish', () => {
  test.each([
    ['with a FIN', (connection: RawConnection) => connection.socket.destroy()],
    ['with a reset', (connection: RawConnection) => connection.socket.resetAndDestroy()],
  ])('in the middle of head or body, %s: nothing is decided', async (name, leave) => {
    const sale = `mid-body-${name.replaceAll(' ', '-')}`;
    await openSale(sale);
    await connections(1_200, async (connection, i) => {
      const request = orderBytes(sale, 'b', `k-${i}`);
      await connection.send(request.subarray(0, 1 + ((i * 13) % (request.length - 1))));
      leave(connection);
    });
    await quiet(sale);
    await expectConsistent(sale, ['b']);
    expect(heldUnits(sale)).toBe(0);
    await expectFullWidth(engine, inFlightMax, sale, sku);
  });

  test('without a word', async () => {
    await openSale('silent');
    await connections(1_500, (connection, i) => {
      if (i % 2 === 0) connection.socket.resetAndDestroy();
    });
    expect((await exchange(port, orderBytes('silent', 'b', 'k'))).status).toBe(201);
    await expectFullWidth(engine, inFlightMax, 'silent', sku);
  });

  test('as soon as their orders are sent: each is decided once or not at all, and its key tells which', async () => {
    const buyers = names(1_500);
    await openSale('sent');
    await connections(buyers.length, async (connection, i) => {
      await connection.send(orderBytes('sent', buyers[i]!, 'k'));
      if (i % 2 === 0) connection.socket.resetAndDestroy();
    });
    await quiet('sent');
    const decided = await expectConsistent('sent', buyers);
    // A reset may overtake what was sent before it; an orderly end does not.
    expect(decided.length).toBeGreaterThan(0);
    const byBuyer = new Map(decided.map((order) => [order.buyer, order.orderId]));
    for (const buyer of buyers.slice(0, 200)) {
      const answer = await exchange(port, orderBytes('sent', buyer, 'k'));
      const known = byBuyer.get(buyer);
      expect(answer.status).toBe(known === undefined ? 201 : 200);
      if (known !== undefined) expect(JSON.parse(answer.body).orderId).toBe(known);
    }
    await expectConsistent('sent', buyers);
    await expectFullWidth(engine, inFlightMax, 'sent', sku);
  });

  test('while their orders wait for the disk: the orders stand, and the slots are free again', async () => {
    const buyers = names(inFlightMax);
    for (const sale of ['waiting', 'stalling']) await openSale(sale);
    const order = (buyer: string) => exchange(port, orderBytes('stalling', buyer, 'k'));
    const store = await stallShard(dataDir, order);
    const open = await Promise.all(buyers.map(() => RawConnection.open(port)));
    await Promise.all(open.map((connection, i) => connection.send(orderBytes('waiting', buyers[i]!, 'k'))));
    // The server reads in the order in which requests arrive: once it answers a later one it has read all of these.
    await exchange(port, requestBytes({ method: 'GET', path: '/healthz' }));
    const refused = await engine.placeOrder({ sale: 'waiting', sku, buyer: 'one more' });
    expect(refused.ok || refused.code).toBe('overloaded');
    for (const [i, connection] of open.entries()) {
      if (i % 2 === 0) connection.socket.resetAndDestroy();
      else connection.destroy();
    }
    await until('all of them to be gone', () => open.every(({ closed }) => closed));
    await store.release();
    await quiet('waiting');
    const decided = await expectConsistent('waiting', buyers);
    expect(decided.length).toBe(buyers.length);
    for (const order of decided.slice(0, 50)) {
      const answer = await exchange(port, orderBytes('waiting', order.buyer, 'k'));
      expect({ status: answer.status, id: JSON.parse(answer.body).orderId }).toEqual({
        status: 200,
        id: order.orderId,
      });
    }
    await expectFullWidth(engine, inFlightMax, 'waiting', sku);
  });
});

test('a client that closes its half after the request is answered or cut off, and its order counts once', async () => {
  const buyers = names(600);
  await openSale('half');
  let answered = 0;
  await connections(
    buyers.length,
    async (connection, i) => {
      connection.socket.end(orderBytes('half', buyers[i]!, 'k'));
      await connection.closing();
      const { answers } = parseAnswers(connection.received);
      expect(answers.length).toBeLessThanOrEqual(1);
      for (const { status, body } of answers) {
        // Who is cut off leaves at once, so that more orders may be under way than there are slots.
        if (status === 503) {
          expect(JSON.parse(body).code).toBe('overloaded');
          continue;
        }
        expect(status).toBe(201);
        const order = await engine.order(JSON.parse(body).orderId);
        expect(order.ok && order.order.buyer).toBe(buyers[i]);
        answered += 1;
      }
    },
    100,
  );
  await quiet('half');
  const decided = await expectConsistent('half', buyers);
  expect(decided.length).toBeGreaterThanOrEqual(answered);
  await expectFullWidth(engine, inFlightMax, 'half', sku);
});

test(`a crowd of which most vanish does not disturb those who stay (LEINIAO_TEST_SEED=${seed})`, async () => {
  const random = randomFrom(seed);
  const leavers = names(2_000);
  const stayers = Array.from({ length: 400 }, (_, i) => `stayer-${i}`);
  await openSale('crowd');
  const ids = new Set<string>();
  const staying = connections(
    stayers.length,
    async (connection, i) => {
      for (let again = 0; again < 2; again++) {
        await connection.send(orderBytes('crowd', stayers[i]!, 'k'));
        const { status, body } = await connection.answer(20_000);
        expect(status).toBe(again === 0 ? 201 : 200);
        ids.add(JSON.parse(body).orderId);
      }
    },
    40,
  );
  const leaving = connections(
    leavers.length,
    async (connection, i) => {
      const request = orderBytes('crowd', leavers[i]!, 'k');
      const cut = random() < 0.5 ? request.length : Math.floor(random() * request.length);
      const leave = random();
      await connection.send(request.subarray(0, cut));
      if (leave < 0.4) connection.socket.resetAndDestroy();
      else if (leave < 0.6) connection.socket.end();
    },
    100,
  );
  await Promise.all([staying, leaving]);
  await quiet('crowd');
  expect(ids.size).toBe(stayers.length);
  await expectConsistent('crowd', [...leavers, ...stayers]);
  await expectFullWidth(engine, inFlightMax, 'crowd', sku);
});
