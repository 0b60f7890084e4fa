/**
 * The server as a process that is killed, told to stop, or started where another one is. What it acknowledged is kept
 * by the test and asked for again.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Answer, Api, type OrderJson } from '../support/api.js';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import { randomFrom, seed } from '../support/seed.js';
import { ServeProcess } from '../support/serve-process.js';
import { stallShard } from '../support/stalled-store.js';
import { tempDir } from '../support/temp-dir.js';
import { until, within } from '../support/until.js';

const sale = 'storm';
const skus = [
  { sku: 'plenty', stock: 100_000 },
  { sku: 'two-each', stock: 100_000, limitPerBuyer: 2 },
  { sku: 'scarce', stock: 120, limitPerBuyer: 1 },
  { sku: 'other', stock: 100_000, limitPerBuyer: 5 },
];

const buyers = Array.from({ length: 300 }, (_, i) => `buyer-${i}`);

interface Click {
  readonly body: { readonly sku: string; readonly buyer: string; readonly quantity: number };
  readonly key: string;
}

/** What clients were told, and what they asked without being told. */
class Memory {
  readonly orders = new Map<string, OrderJson>();
  readonly keys = new Map<string, string>();
  /** Clicks that got no answer: they may have been decided or not. */
  readonly unanswered = new Map<string, Click>();
  /** Orders of which a step was asked for and not answered, and what it would make of them. */
  readonly inDoubt = new Map<string, 'confirmed' | 'cancelled'>();

  accepted(click: Click, order: OrderJson): void {
    expect(order).toMatchObject(click.body);
    expect(this.keys.get(click.key) ?? order.orderId).toBe(order.orderId);
    this.keys.set(click.key, order.orderId);
    this.unanswered.delete(click.key);
    if (!this.orders.has(order.orderId)) this.orders.set(order.orderId, order);
  }
}

const width = 64;

/** What a server answers, or undefined where it was sent a signal meanwhile: one that is there has to answer. */
async function heard(server: ServeProcess, call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!server.child.killed) throw error;
    return undefined;
  }
}

interface Crowd {
  readonly server: ServeProcess;
  readonly api: Api;
  readonly memory: Memory;
  readonly clicks: () => Click;
  readonly random: () => number;
}

/** Sends orders, confirms and cancels until the server is killed. */
async function storm({ server, api, memory, clicks, random }: Crowd): Promise<void> {
  const one = async (): Promise<void> => {
    for (;;) {
      const click = clicks();
      memory.unanswered.set(click.key, click);
      const answer = await heard(server, api.order(sale, click.body, click.key));
      if (answer === undefined) return;
      if (answer.status >= 400) {
        expect(['sold_out', 'insufficient_stock', 'limit_reached']).toContain(answer.code);
        memory.unanswered.delete(click.key);
        continue;
      }
      memory.accepted(click, answer.order);
      const { orderId } = answer.order;
      const step = random();
      if (step > 0.4) continue;
      const asked = step < 0.2 ? 'confirmed' : 'cancelled';
      memory.inDoubt.set(orderId, asked);
      const call = asked === 'confirmed' ? api.confirm(orderId) : api.cancel(orderId);
      const settled = await heard(server, call);
      if (settled === undefined) return;
      expect([settled.status, settled.order]).toEqual([200, stepped(answer.order, asked)]);
      memory.orders.set(orderId, settled.order);
      memory.inDoubt.delete(orderId);
    }
  };
  await Promise.all(Array.from({ length: width }, one));
}

/** An order after a step: nothing else about it changes, but that it has no deadline any more. */
function stepped(order: OrderJson, status: 'confirmed' | 'cancelled'): OrderJson {
  return { ...order, status, expiresAt: null };
}

async function each<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const one = async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await run(item);
  };
  await Promise.all(Array.from({ length: width }, one));
}

/** Asks again what the killed server did not answer, and checks all that the restarted one knows. */
async function check(api: Api, memory: Memory): Promise<void> {
  await each([...memory.unanswered.values()], async (click) => {
    const first = await api.order(sale, click.body, click.key);
    const again = await api.order(sale, click.body, click.key);
    if (first.status < 300) {
      expect([again.status, again.order]).toEqual([200, first.order]);
      memory.accepted(click, first.order);
    } else {
      expect(['sold_out', 'insufficient_stock', 'limit_reached']).toContain(first.code);
      memory.unanswered.delete(click.key);
    }
  });
  const found = new Map<string, OrderJson>();
  await each(buyers, async (buyer) => {
    const answer = await api.get(`/v1/sales/${sale}/orders?buyer=${buyer}`);
    const { orders, truncated } = answer.body as { orders: OrderJson[]; truncated: boolean };
    expect([answer.status, truncated]).toEqual([200, false]);
    for (const order of orders) found.set(order.orderId, order);
  });
  // A step that was never answered may have been taken, and nothing but that one.
  for (const [orderId, asked] of memory.inDoubt) {
    const before = memory.orders.get(orderId)!;
    expect([before, stepped(before, asked)]).toContainEqual(found.get(orderId));
    memory.orders.set(orderId, found.get(orderId)!);
  }
  memory.inDoubt.clear();
  expect(found.size).toBe(memory.orders.size);
  for (const [orderId, order] of memory.orders) expect(found.get(orderId)).toEqual(order);
}

/** Checks the counters, the limits and the sequences against every order that clients know of. */
async function checkBooks(api: Api, memory: Memory): Promise<void> {
  const { skus: lines } = (await api.get(`/v1/sales/${sale}`)).sale;
  for (const { sku, stock, limitPerBuyer } of skus) {
    const orders = [...memory.orders.values()].filter((order) => order.sku === sku);
    const units = (status: string) =>
      orders.reduce((sum, order) => sum + (order.status === status ? order.quantity : 0), 0);
    expect(lines.find((line) => line.sku === sku)).toMatchObject({
      total: stock,
      available: stock - units('held') - units('confirmed'),
      held: units('held'),
      confirmed: units('confirmed'),
    });
    const sequences = orders.map(({ sequence }) => sequence).sort((a, b) => a - b);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
    const byBuyer = new Map<string, number>();
    for (const { buyer, quantity, status } of orders) {
      if (status !== 'cancelled') byBuyer.set(buyer, (byBuyer.get(buyer) ?? 0) + quantity);
    }
    expect(Math.max(0, ...byBuyer.values())).toBeLessThanOrEqual(limitPerBuyer ?? Number.POSITIVE_INFINITY);
  }
}

/** Every key, pressed once more, names its order. */
async function checkKeys(api: Api, memory: Memory): Promise<void> {
  await each([...memory.keys].slice(0, 500), async ([key, orderId]) => {
    const order = memory.orders.get(orderId)!;
    const { sku, buyer, quantity } = order;
    const answer = await api.order(sale, { sku, buyer, quantity }, key);
    expect([answer.status, answer.header('idempotency-replayed'), answer.order]).toEqual([
      200,
      'true',
      order,
    ]);
  });
  await checkBooks(api, memory);
}

describe.each([
  ['fsync', 5],
  ['commit', 3],
] as const)(`with durability %s (LEINIAO_TEST_SEED=${seed})`, (durability, kills) => {
  test('a server killed again and again in a storm has forgotten nothing that it acknowledged', async () => {
    const random = randomFrom(seed);
    const memory = new Memory();
    const args = [
      ...['--data-dir', tempDir(), '--durability', durability, '--shards', '2'],
      ...['--orders-per-shard-max', '131072'],
    ];
    let clicked = 0;
    const clicks = (): Click => ({
      body: {
        sku: skus[Math.floor(random() * skus.length)]!.sku,
        buyer: buyers[Math.floor(random() * buyers.length)]!,
        quantity: 1 + Math.floor(random() * 2),
      },
      key: `click-${++clicked}`,
    });
    for (let round = 0; round <= kills; round++) {
      const server = await ServeProcess.listening(...args);
      const api = new Api(await server.url(), width);
      try {
        if (round === 0) expect((await api.put(sale, { skus })).status).toBe(201);
        else await check(api, memory);
        await checkBooks(api, memory);
        if (round === kills) {
          await checkKeys(api, memory);
          break;
        }
        const known = memory.orders.size;
        const stormed = storm({ server, api, memory, clicks, random });
        // Somewhere between the first order and the six hundredth.
        const moment = known + 1 + Math.floor(random() * 600);
        const come = until('the moment', () => memory.orders.size >= moment, 20_000);
        // A client who finds something wrong ends it at once.
        await Promise.race([come, stormed]);
        await server.kill();
        await stormed;
      } finally {
        await api.close();
        await server.kill();
      }
    }
    expect(memory.unanswered.size).toBe(0);
    expect(memory.orders.size).toBeGreaterThan(kills);
  }, 60_000);
});

test('a sale replaced before it opens is the new one after a kill', async () => {
  const args = ['--data-dir', tempDir(), '--shards', '3', '--orders-per-shard-max', '4096'];
  const startsAt = '2090-01-01T00:00:00Z';
  const version = (n: number) => ({
    startsAt,
    skus: Array.from({ length: 1 + (n % 7) }, (_, i) => ({ sku: `sku-${(n + i) % 9}`, stock: 100 * n + i })),
  });
  let acknowledged = 0;
  for (let round = 0; round < 3; round++) {
    const server = await ServeProcess.listening(...args);
    const api = new Api(await server.url(), 1);
    try {
      if (round > 0) {
        const { skus: lines } = (await api.get('/v1/sales/s')).sale;
        const seen = lines.map(({ sku, total, available }) => ({ sku, total, available }));
        const wanted = [acknowledged, acknowledged + 1].map((n) =>
          version(n).skus.map(({ sku, stock }) => ({ sku, total: stock, available: stock })),
        );
        // The one that was acknowledged last, or the one that was asked for and never answered.
        expect(wanted).toContainEqual(seen);
        acknowledged = JSON.stringify(seen) === JSON.stringify(wanted[0]) ? acknowledged : acknowledged + 1;
      }
      const last = acknowledged + 10;
      const putting = (async () => {
        for (;;) {
          const answer = await heard(server, api.put('s', version(acknowledged + 1)));
          if (answer === undefined) return;
          expect(answer.status).toBeLessThan(300);
          acknowledged += 1;
        }
      })();
      await Promise.race([until('some versions', () => acknowledged >= last), putting]);
      await server.kill();
      await putting;
    } finally {
      await api.close();
      await server.kill();
    }
  }
});

describe('told to stop', () => {
  const healthBytes = requestBytes({ method: 'GET', path: '/healthz' });
  const orderBytes = (buyer: string) =>
    requestBytes({
      path: '/v1/sales/s/orders',
      headers: ['Content-Type: application/json'],
      body: JSON.stringify({ sku: 'a', buyer }),
    });

  /** A server with an open sale, and what is needed to keep its orders waiting. */
  async function serve(...args: string[]) {
    const dataDir = tempDir();
    const server = await ServeProcess.listening(
      ...['--data-dir', dataDir, '--shards', '1', '--orders-per-shard-max', '4096', ...args],
    );
    const port = await server.port();
    const put = requestBytes({
      method: 'PUT',
      path: '/v1/sales/s',
      headers: ['Content-Type: application/json'],
      body: '{"skus":[{"sku":"a","stock":1000}]}',
    });
    expect((await exchange(port, put)).status).toBe(201);
    return { server, port, dataDir };
  }

  async function open(port: number, count: number): Promise<RawConnection[]> {
    const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(port)));
    onTestFinished(() => {
      for (const connection of connections) connection.destroy();
    });
    return connections;
  }

  const shuttingDown = (server: ServeProcess) =>
    until('the shutdown to begin', () => server.log.entries.some(({ msg }) => msg === 'shutting down'));

  test('by SIGTERM it answers what it has taken, takes nothing new, and ends with 0', async () => {
    const { server, port, dataDir } = await serve();
    const waiting = await open(port, 20);
    const [idle] = await open(port, 1);
    const store = await stallShard(dataDir);
    await Promise.all(waiting.map((connection, i) => connection.send(orderBytes(`b-${i}`))));
    // Once a later request is answered, the server has read these.
    await exchange(port, healthBytes);
    server.child.kill('SIGTERM');
    await shuttingDown(server);
    await expect(RawConnection.open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await idle!.send(healthBytes);
    const refused = await idle!.answer();
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body).code).toBe('shutting_down');
    await idle!.closing();
    expect(server.running).toBe(true);
    await store.release();
    for (const connection of waiting) {
      const answer = await connection.answer();
      expect(answer.status).toBe(201);
      expect(answer.headers.get('connection')).toBe('close');
    }
    expect(await within('the end', server.ended())).toBe(0);
    expect(server.log.lines).toEqual([]);
  });

  test('by SIGTERM with keep-alive connections that ask nothing it ends at once', async () => {
    const { server, port } = await serve();
    const idle = await open(port, 50);
    const toldAt = performance.now();
    server.child.kill('SIGTERM');
    expect(await within('the end', server.ended())).toBe(0);
    expect(performance.now() - toldAt).toBeLessThan(5_000);
    await Promise.all(idle.map((connection) => connection.closing()));
  });

  test('by SIGTERM in a storm it ends with 0, and every order it acknowledged is there', async () => {
    const { server, port, dataDir } = await serve();
    const api = new Api(`http://127.0.0.1:${port}`, 50);
    onTestFinished(() => api.close());
    const acknowledged: OrderJson[] = [];
    let asked = 0;
    const one = async () => {
      for (;;) {
        const answer = await heard(server, api.order('s', { sku: 'a', buyer: `b-${asked++}` }));
        if (answer === undefined) return 'gone';
        if (answer.status === 201) acknowledged.push(answer.order);
        else if (answer.code !== 'sold_out') return answer.code;
      }
    };
    const clients = Promise.all(Array.from({ length: 50 }, one));
    await Promise.race([until('some orders', () => acknowledged.length > 300), clients]);
    server.child.kill('SIGTERM');
    expect(await within('the end', server.ended())).toBe(0);
    for (const end of await clients) expect(['gone', 'shutting_down']).toContain(end);
    const again = await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
    const reader = new Api(await again.url());
    onTestFinished(() => reader.close());
    await each(acknowledged, async (order) => {
      expect((await reader.get(`/v1/orders/${order.orderId}`)).body).toEqual(order);
    });
  });

  test('by a second signal it ends at once, whatever waits', async () => {
    const { server, port, dataDir } = await serve('--reply-deadline-ms', '60000');
    const [waiting] = await open(port, 1);
    await stallShard(dataDir);
    await waiting!.send(orderBytes('b'));
    await exchange(port, healthBytes);
    server.child.kill('SIGTERM');
    await shuttingDown(server);
    // The same signal within a tenth of a second is taken for the same request, so it is sent until it works.
    await until('the end', () => {
      if (server.running) server.child.kill('SIGTERM');
      return !server.running;
    });
    expect(await server.ended()).toBe('SIGTERM');
    await waiting!.closing();
  });
});

describe('it does not start, and says why in one line,', () => {
  async function failure(...args: string[]): Promise<string> {
    const server = new ServeProcess('--orders-per-shard-max', '4096', ...args);
    expect(await within('the end', server.ended())).toBe(1);
    expect(server.stdout).toBe('');
    expect(server.log.lines.length).toBe(1);
    return server.log.lines[0]!;
  }

  test('on a port that is in use', async () => {
    const first = await ServeProcess.listening('--durability', 'memory', '--orders-per-shard-max', '4096');
    const port = String(await first.port());
    const line = await failure('--durability', 'memory', '--port', port);
    expect(line).toContain(port);
    expect(line).toContain('port_in_use');
    expect((await exchange(Number(port), requestBytes({ method: 'GET', path: '/healthz' }))).status).toBe(
      200,
    );
  });

  test('in a data folder that is in use, which is served on', async () => {
    const dataDir = tempDir();
    const first = await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
    const line = await failure('--data-dir', dataDir);
    expect(line).toContain(dataDir);
    expect(line).toContain('data_dir_locked');
    const port = await first.port();
    expect((await exchange(port, requestBytes({ method: 'GET', path: '/readyz' }))).status).toBe(200);
    await first.kill();
    // The kernel gives the lock up with the process that had it.
    await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
  });
});
