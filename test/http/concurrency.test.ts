/**
 * Crowds against a server in a process of its own: the replies are added up by arithmetic that knows nothing of the
 * server's, and must come out as the server's counters.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Answer, Api, type OrderJson } from '../support/api.js';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import { randomFrom, seed } from '../support/seed.js';
import { ServeProcess } from '../support/serve-process.js';
import { stallShard } from '../support/stalled-store.js';
import { tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';

async function serve(connections: number, ...args: string[]): Promise<Api> {
  const server = await ServeProcess.listening('--orders-per-shard-max', '65536', ...args);
  const api = new Api(await server.url(), connections);
  onTestFinished(() => api.close());
  return api;
}

/** Runs jobs, at most `width` at a time. */
async function crowd<T>(jobs: readonly T[], width: number, run: (job: T) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < jobs.length) await run(jobs[next++]!);
  };
  await Promise.all(Array.from({ length: width }, one));
}

interface Sku {
  readonly sku: string;
  readonly stock: number;
  readonly limitPerBuyer?: number;
}

/** What the replies say, kept without asking the server. */
class Books {
  readonly orders = new Map<string, OrderJson>();
  readonly skus: readonly Sku[];

  constructor(skus: readonly Sku[]) {
    this.skus = skus;
  }

  /** Takes in an order as a reply showed it; what never changes must be as it was. */
  note(order: OrderJson): void {
    const known = this.orders.get(order.orderId);
    if (known !== undefined) {
      const { status: _, expiresAt: __, ...fixed } = known;
      expect(order).toMatchObject(fixed);
    }
    // Replies cross one another: a step that was taken is not taken back by an older answer.
    if (known === undefined || known.status === 'held') this.orders.set(order.orderId, order);
  }

  units(sku: string, ...statuses: string[]): number {
    let units = 0;
    for (const order of this.orders.values()) {
      if (order.sku === sku && statuses.includes(order.status)) units += order.quantity;
    }
    return units;
  }

  /** Checks the server's counters against the orders, the limits, and that sequences have no gaps. */
  async expectMatch(api: Api, sale: string): Promise<void> {
    const lines = (await api.get(`/v1/sales/${sale}`)).sale.skus;
    for (const { sku, stock, limitPerBuyer } of this.skus) {
      const [held, confirmed] = [this.units(sku, 'held'), this.units(sku, 'confirmed')];
      expect(held + confirmed).toBeLessThanOrEqual(stock);
      expect(lines.find((line) => line.sku === sku)).toEqual({
        sku,
        total: stock,
        available: stock - held - confirmed,
        held,
        confirmed,
        limitPerBuyer: limitPerBuyer ?? null,
      });
      const orders = [...this.orders.values()].filter((order) => order.sku === sku);
      const sequences = orders.map(({ sequence }) => sequence).sort((a, b) => a - b);
      expect(sequences).toEqual(sequences.map((_, i) => i + 1));
      const byBuyer = new Map<string, number>();
      for (const { buyer, quantity, status } of orders) {
        if (status === 'cancelled') continue;
        byBuyer.set(buyer, (byBuyer.get(buyer) ?? 0) + quantity);
      }
      expect(Math.max(0, ...byBuyer.values())).toBeLessThanOrEqual(limitPerBuyer ?? Number.POSITIVE_INFINITY);
    }
  }
}

const refusals = new Set(['sold_out', 'insufficient_stock', 'limit_reached']);

describe.each([
  ['fsync', 3],
  ['memory', 2],
] as const)(`a storm with durability %s and %i shards (LEINIAO_TEST_SEED=${seed})`, (durability, shards) => {
  test('sells exactly: not a unit more than there is, and not one fewer while somebody asks', async () => {
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const api = await serve(
      300,
      ...['--durability', durability, '--shards', `${shards}`, '--data-dir', tempDir()],
    );
    const skus: Sku[] = [
      { sku: 'free', stock: 300 },
      { sku: 'one-each', stock: 150, limitPerBuyer: 1 },
      { sku: 'two-each', stock: 250, limitPerBuyer: 2 },
      { sku: 'three-each', stock: 200, limitPerBuyer: 3 },
      { sku: 'few', stock: 3 },
      { sku: 'plenty', stock: 2_000, limitPerBuyer: 4 },
    ];
    expect((await api.put('s', { skus })).status).toBe(201);
    const books = new Books(skus);
    const clicks = Array.from({ length: 1_800 }, (_, i) => ({
      body: { sku: skus[pick(skus.length)]!.sku, buyer: `buyer-${pick(500)}`, quantity: 1 + pick(3) },
      key: `click-${i}`,
      copies: random() < 0.3 ? 2 + pick(2) : 1,
      afterwards: random(),
    }));

    const settle = async (order: OrderJson, chance: number): Promise<void> => {
      const steps =
        chance < 0.25
          ? [api.confirm(order.orderId), api.confirm(order.orderId)]
          : chance < 0.5
            ? [api.cancel(order.orderId)]
            : chance < 0.65
              ? [api.confirm(order.orderId), api.cancel(order.orderId), api.cancel(order.orderId)]
              : [];
      const answers = await Promise.all(steps);
      const taken = answers.filter(({ status }) => status === 200).map((answer) => answer.order);
      // Whoever comes second is told what the first one did.
      expect(new Set(taken.map(({ status }) => status)).size).toBe(answers.length > 0 ? 1 : 0);
      for (const answer of answers.filter(({ status }) => status !== 200)) {
        expect(answer.code).toBe(`order_${taken[0]?.status}`);
      }
      for (const one of taken) books.note(one);
    };

    const accepted: { body: (typeof clicks)[0]['body']; key: string; orderId: string }[] = [];
    await crowd(clicks, 280, async ({ body, key, copies, afterwards }) => {
      const answers = await Promise.all(Array.from({ length: copies }, () => api.order('s', body, key)));
      const taken = answers.filter(({ status }) => status < 400);
      for (const answer of answers) {
        if (answer.status >= 400) expect(refusals).toContain(answer.code);
        else expect(answer.header('idempotency-replayed')).toBe(answer.status === 200 ? 'true' : undefined);
      }
      if (taken.length === 0) return;
      expect(taken.filter(({ status }) => status === 201).length).toBe(1);
      expect(new Set(taken.map((answer) => answer.order.orderId)).size).toBe(1);
      for (const answer of taken) books.note(answer.order);
      expect(taken[0]!.order).toMatchObject(body);
      accepted.push({ body, key, orderId: taken[0]!.order.orderId });
      await settle(taken[0]!.order, afterwards);
    });
    await books.expectMatch(api, 's');
    const settled = new Set([...books.orders.values()].map(({ status }) => status));
    expect(settled).toEqual(new Set(['held', 'confirmed', 'cancelled']));

    // Clicks repeated later are answered with their orders, as they are now.
    await crowd(accepted, 280, async ({ body, key, orderId }) => {
      const answer = await api.order('s', body, key);
      expect({ status: answer.status, order: answer.order }).toEqual({
        status: 200,
        order: books.orders.get(orderId),
      });
    });

    // As long as somebody asks, everything is sold, and then nothing more.
    const left = skus.reduce((sum, { sku, stock }) => sum + stock - books.units(sku, 'held', 'confirmed'), 0);
    const eager = skus.flatMap(({ sku, stock }) =>
      Array.from({ length: stock - books.units(sku, 'held', 'confirmed') + 5 }, (_, i) => ({
        sku,
        buyer: `late-${i}`,
      })),
    );
    let sold = 0;
    await crowd(eager, 280, async (body) => {
      const answer = await api.order('s', body);
      if (answer.status === 201) {
        books.note(answer.order);
        sold += 1;
      } else {
        expect(answer.code).toBe('sold_out');
      }
    });
    expect(sold).toBe(left);
    await books.expectMatch(api, 's');
    for (const line of (await api.get('/v1/sales/s')).sale.skus) expect(line.available).toBe(0);
  });
});

test('the same key pressed at once for SKUs of different shards makes one order', async () => {
  const api = await serve(200, ...['--durability', 'memory', '--shards', '3']);
  const skus = Array.from({ length: 6 }, (_, i) => ({ sku: `sku-${i}`, stock: 1_000 }));
  await api.put('s', { skus });
  const orders: OrderJson[] = [];
  const buyers = Array.from({ length: 150 }, (_, i) => `buyer-${i}`);
  await crowd(buyers, 30, async (buyer) => {
    const answers = await Promise.all(skus.map(({ sku }) => api.order('s', { sku, buyer }, 'k')));
    const taken = answers.filter(({ status }) => status === 201);
    expect(taken.length).toBeLessThanOrEqual(1);
    for (const [i, answer] of answers.entries()) {
      // Two that meet may both step back: then they are told to ask again, one after the other this time.
      const again = answer.code === 'shard_recovering';
      const last = again ? await api.order('s', { sku: skus[i]!.sku, buyer }, 'k') : answer;
      if (last.status === 201) orders.push(last.order);
      else expect(last.code).toBe('idempotency_conflict');
    }
  });
  expect(new Set(orders.map(({ buyer }) => buyer)).size).toBe(buyers.length);
  expect(orders).toHaveLength(buyers.length);
  const { skus: lines } = (await api.get('/v1/sales/s')).sale;
  expect(lines.reduce((sum, { held }) => sum + held, 0)).toBe(orders.length);
});

test('orders that are sent one after another get their sequences in that order', async () => {
  const server = await ServeProcess.listening('--durability', 'memory', '--shards', '2');
  const port = await server.port();
  const put = requestBytes({
    method: 'PUT',
    path: '/v1/sales/s',
    headers: ['Content-Type: application/json'],
    body: '{"skus":[{"sku":"a","stock":100000}]}',
  });
  expect((await exchange(port, put)).status).toBe(201);
  const connections = await Promise.all(Array.from({ length: 250 }, () => RawConnection.open(port)));
  onTestFinished(() => {
    for (const connection of connections) connection.destroy();
  });
  let sequence = 0;
  for (let round = 0; round < 8; round++) {
    for (const [i, connection] of connections.entries()) {
      // Without waiting for it: the kernel takes it at once, and the next one goes to another connection.
      connection.socket.write(
        requestBytes({
          path: '/v1/sales/s/orders',
          headers: ['Content-Type: application/json'],
          body: JSON.stringify({ sku: 'a', buyer: `b-${i}`, quantity: 1 + ((i + round) % 3) }),
        }),
      );
    }
    const answers = await Promise.all(connections.map((connection) => connection.answer()));
    const sequences = answers.map(({ body }) => JSON.parse(body).sequence);
    expect(sequences).toEqual(connections.map((_, i) => sequence + i + 1));
    sequence += connections.length;
  }
});

describe('when more is asked than can be in flight', () => {
  const inFlightMax = 256;

  async function stalled(connections: number) {
    const dataDir = tempDir();
    const api = await serve(
      connections,
      ...['--in-flight-max', `${inFlightMax}`, '--reply-deadline-ms', '20000'],
      ...['--shards', '1', '--data-dir', dataDir],
    );
    for (const sale of ['s', 'stalling']) await api.put(sale, { skus: [{ sku: 'a', stock: 100_000 }] });
    const order = (buyer: string) => api.order('stalling', { sku: 'a', buyer });
    return { api, store: await stallShard(dataDir, order) };
  }

  test('the rest is refused at once as overloaded, and afterwards everyone gets one order', async () => {
    const { api, store } = await stalled(900);
    const buyers = Array.from({ length: 800 }, (_, i) => `b-${i}`);
    const seen: Answer[] = [];
    const asked = buyers.map(async (buyer) => {
      const answer = await api.order('s', { sku: 'a', buyer }, 'k');
      seen.push(answer);
      return answer;
    });
    await until('all refusals', () => seen.length === buyers.length - inFlightMax);
    for (const answer of seen) {
      expect({ status: answer.status, code: answer.code }).toEqual({ status: 503, code: 'overloaded' });
      expect(answer.header('retry-after')).toMatch(/^[1-9]\d*$/);
    }
    // What needs no shard is still answered.
    expect((await api.get('/healthz')).status).toBe(200);
    expect((await api.get('/v1/sales/s')).status).toBe(200);
    await store.release();
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 201).length).toBe(inFlightMax);
    // Trying again with the same key is what the refused are told to do.
    const orders = new Set<string>();
    for (const answer of answers) if (answer.status === 201) orders.add(answer.order.orderId);
    await crowd(buyers, 200, async (buyer) => {
      const answer = await api.order('s', { sku: 'a', buyer }, 'k');
      expect(answer.status).toBeLessThan(300);
      orders.add(answer.order.orderId);
    });
    expect(orders.size).toBe(buyers.length);
    expect(await api.sku('s', 'a')).toMatchObject({ available: 100_000 - 800, held: 800 });
  });

  /** Fills the in-flight table, has `change` asked, and lets the shard go on. */
  async function whileFull(api: Api, release: () => Promise<void>, change: () => Promise<Answer>) {
    const seen: Answer[] = [];
    const asked = Array.from({ length: inFlightMax + 20 }, async (_, i) => {
      seen.push(await api.order('s', { sku: 'a', buyer: `b-${i}` }));
    });
    await until('the table to be full', () => seen.length === 20);
    const changing = change();
    // Refused at once, or carried out when there is room: both are answers an operator can work with.
    await Promise.race([changing, api.get('/healthz')]);
    await release();
    await Promise.all(asked);
    return await changing;
  }

  test.each(['pause', 'end'])(
    'the operator’s %s is carried out, or refused and nothing changed',
    async (step) => {
      const { api, store } = await stalled(400);
      const answer = await whileFull(api, store.release, () => api.post(`/v1/sales/s/${step}`));
      const { phase } = (await api.get('/v1/sales/s')).sale;
      const order = await api.order('s', { sku: 'a', buyer: 'later' });
      const keyed = await api.order('s', { sku: 'a', buyer: 'later' }, 'k');
      const changed = step === 'pause' ? 'paused' : 'ended';
      expect([
        { status: 200, phase: changed, order: changed, keyed: changed },
        { status: 503, phase: 'open', order: undefined, keyed: undefined },
      ]).toContainEqual({ status: answer.status, phase, order: order.code, keyed: keyed.code });
    },
  );

  test('a new sale is created, or refused and created when it is asked for again', async () => {
    const { api, store } = await stalled(400);
    const definition = { skus: [{ sku: 'x', stock: 5 }] };
    await whileFull(api, store.release, () => api.put('new', definition));
    const again = await api.put('new', definition);
    expect(again.status).toBeLessThan(300);
    expect(again.sale.skus).toEqual([expect.objectContaining({ total: 5, available: 5 })]);
    expect((await api.order('new', { sku: 'x', buyer: 'b' })).status).toBe(201);
    expect((await api.post('/v1/sales/new/pause')).status).toBe(200);
    expect((await api.get('/readyz')).status).toBe(200);
  });
});
