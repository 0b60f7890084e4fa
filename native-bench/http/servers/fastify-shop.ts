/**
 * Orders over HTTP as Fastify users write them: the body validated by a schema, the answers serialized by one. Where the
 * stock is, and how it is taken, is given. Prints its URL.
 */
import Fastify from 'fastify';
import { type Counters, type Outcome, orderDocument, orderIdOf, problems } from './answers.js';

interface Store {
  readonly durability: string;
  /** Takes units for a buyer, or says why not. */
  readonly place: (sale: string, sku: string, buyer: string, quantity: number) => Promise<Outcome>;
  /** Read from the store, not remembered. */
  readonly counters: (sale: string, sku: string) => Promise<Counters>;
}

interface OrderBody {
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
}

const text = { type: 'string' } as const;
const integer = { type: 'integer' } as const;

const bodySchema = {
  type: 'object',
  required: ['sku', 'buyer'],
  additionalProperties: false,
  properties: {
    sku: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
    buyer: { type: 'string', minLength: 1, maxLength: 64 },
    quantity: { type: 'integer', minimum: 1, maximum: 1_000, default: 1 },
  },
};

const orderSchema = {
  type: 'object',
  properties: {
    ...{ orderId: text, sale: text, sku: text, buyer: text, quantity: integer, status: text },
    ...{ sequence: integer, createdAt: text, expiresAt: text, durability: text },
  },
};

const problemSchema = {
  type: 'object',
  properties: { type: text, title: text, status: integer, code: text, detail: text },
};

/** Serves until the process is ended. */
export async function serveShop(store: Store): Promise<void> {
  const app = Fastify({ logger: false });
  let pending = 0;
  app.post<{ Params: { sale: string }; Body: OrderBody }>(
    '/v1/sales/:sale/orders',
    { schema: { body: bodySchema, response: { 201: orderSchema, 409: problemSchema } } },
    async (request, reply) => {
      const { sale } = request.params;
      const { sku, buyer, quantity } = request.body;
      pending += 1;
      try {
        const outcome = await store.place(sale, sku, buyer, quantity);
        if ('refusal' in outcome) {
          reply.code(409).type('application/problem+json');
          return problems[outcome.refusal];
        }
        const { sequence } = outcome;
        reply.code(201).header('Location', `/v1/orders/${orderIdOf(sequence)}`);
        const { durability } = store;
        return orderDocument({ sale, sku, buyer, quantity, sequence, durability }, Date.now());
      } finally {
        pending -= 1;
      }
    },
  );
  app.get<{ Params: { sale: string; sku: string } }>('/v1/sales/:sale/skus/:sku', async (request) => {
    const counters = await store.counters(request.params.sale, request.params.sku);
    return { ...counters, pending };
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  process.stdout.write(`listening on ${url}\n`);
  process.once('SIGTERM', () => process.exit(0));
}
