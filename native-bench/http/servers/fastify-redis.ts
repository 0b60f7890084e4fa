/**
 * Fastify and Redis: stock, purchase limit and sequence in one Lua script, sent by ioredis with automatic pipelining over
 * a unix socket. Redis keeps how many units a buyer has, not the orders: less than leiniao keeps. A process of its own.
 *
 *   node fastify-redis.js SOCKET DURABILITY
 */
import { Redis, type Result } from 'ioredis';
import { limitPerBuyer, type Outcome, sku, stockOf } from './answers.js';
import { serveShop } from './fastify-shop.js';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** Returns the order's sequence, 0 where too little is left, -1 where the buyer has had enough. */
    placeOrder(
      available: string,
      bought: string,
      sequence: string,
      buyer: string,
      quantity: number,
      limit: number,
    ): Result<number, Context>;
  }
}

const placeOrder = `
  local quantity, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
  if tonumber(redis.call('GET', KEYS[1]) or '0') < quantity then return 0 end
  if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') + quantity > limit then return -1 end
  redis.call('DECRBY', KEYS[1], quantity)
  redis.call('HINCRBY', KEYS[2], ARGV[1], quantity)
  return redis.call('INCR', KEYS[3])
`;

const [path, durability] = process.argv.slice(2);
const redis = new Redis({
  path: path!,
  enableAutoPipelining: true,
  maxRetriesPerRequest: null,
  scripts: { placeOrder: { lua: placeOrder, numberOfKeys: 3 } },
});

function keysOf(sale: string, sku: string): [available: string, bought: string, sequence: string] {
  const key = `${sale}:${sku}`;
  return [`available:${key}`, `bought:${key}`, `sequence:${key}`];
}

for (const [sale, stock] of Object.entries(stockOf)) await redis.set(keysOf(sale, sku)[0], stock);

await serveShop({
  durability: durability!,
  async place(sale, sku, buyer, quantity): Promise<Outcome> {
    const answer = await redis.placeOrder(...keysOf(sale, sku), buyer, quantity, limitPerBuyer);
    if (answer > 0) return { sequence: answer };
    return { refusal: answer === 0 ? 'sold_out' : 'limit_reached' };
  },
  async counters(sale, sku) {
    const [available, bought] = keysOf(sale, sku);
    const left = Number(await redis.get(available));
    // With a limit of one, every buyer in the hash has one unit.
    const held = await redis.hlen(bought);
    return { total: stockOf[sale as keyof typeof stockOf], available: left, held, confirmed: 0 };
  },
});
