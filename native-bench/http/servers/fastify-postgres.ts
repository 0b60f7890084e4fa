/**
 * Fastify and PostgreSQL: the conditional UPDATE of the stock and the INSERT of the order in one prepared statement, so in
 * one transaction and one round trip, over a unix socket; a unique constraint is the purchase limit. A process of its own.
 *
 *   node fastify-postgres.js SOCKET_FOLDER DATABASE DURABILITY
 */
import pg from 'pg';
import { type Outcome, stockOf } from './answers.js';
import { serveShop } from './fastify-shop.js';

/** All orders want the same row, so more connections only wait for it. */
const connectionsMax = 16;
const uniqueViolation = '23505';

const [host, database, durability] = process.argv.slice(2);
const pool = new pg.Pool({
  host: host!,
  database: database!,
  user: 'leiniao',
  max: connectionsMax,
  options: `-c synchronous_commit=${durability === 'fsync' ? 'on' : 'off'}`,
});

const placeOrder = `
  WITH taken AS (
    UPDATE skus SET available = available - $4, sequence = sequence + 1
    WHERE sale = $1 AND sku = $2 AND available >= $4
    RETURNING sequence
  )
  INSERT INTO orders (sale, sku, buyer, quantity, sequence)
  SELECT $1, $2, $3, $4, sequence FROM taken
  RETURNING sequence`;

const readCounters = `
  SELECT total::float8, available::float8,
    (SELECT coalesce(sum(quantity), 0)::float8 FROM orders WHERE sale = $1 AND sku = $2) AS held
  FROM skus WHERE sale = $1 AND sku = $2`;

await pool.query(`
  CREATE TABLE skus (
    sale text, sku text, total bigint NOT NULL, available bigint NOT NULL CHECK (available >= 0),
    sequence integer NOT NULL DEFAULT 0, PRIMARY KEY (sale, sku)
  ) WITH (fillfactor = 10);
  CREATE TABLE orders (
    sale text NOT NULL, sku text NOT NULL, buyer text NOT NULL, quantity integer NOT NULL,
    sequence integer NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (sale, sku, buyer)
  )`);
for (const [sale, stock] of Object.entries(stockOf)) {
  await pool.query('INSERT INTO skus (sale, sku, total, available) VALUES ($1, $2, $3, $3)', [
    sale,
    'sku-1',
    stock,
  ]);
}

await serveShop({
  durability: durability!,
  async place(sale, sku, buyer, quantity): Promise<Outcome> {
    try {
      const { rows } = await pool.query<{ sequence: number }>({
        name: 'place-order',
        text: placeOrder,
        values: [sale, sku, buyer, quantity],
      });
      return rows[0] === undefined ? { refusal: 'sold_out' } : { sequence: rows[0].sequence };
    } catch (error) {
      if ((error as { code?: string }).code === uniqueViolation) return { refusal: 'limit_reached' };
      throw error;
    }
  },
  async counters(sale, sku) {
    const { rows } = await pool.query(readCounters, [sale, sku]);
    return { ...(rows[0] as { total: number; available: number; held: number }), confirmed: 0 };
  },
});
