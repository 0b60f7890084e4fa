/**
 * The server as a process that is killed. What it acknowledged is kept by the test and asked for again.
 */
import { describe, expect, test } from 'vitest';
import { Api, type OrderJson } from '../support/api.js';
import { effort } from '../support/effort.js';
import { randomFrom, seed } from '../support/seed.js';
import { ServeProcess } from '../support/serve-process.js';
import { tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';
import { each, heard, width } from './crowd.js';

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
  ['fsync', effort(2, 5)],
  ['commit', effort(2, 3)],
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
  for (let round = 0; round < effort(2, 3); round++) {
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
