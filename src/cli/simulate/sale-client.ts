/** The storm's own sale over HTTP: opening it, reading its counters, ending it. */
import { compile } from '../../validation.js';
import { type Asker, codeOf, parseJson } from './asker.js';
import type { Connection } from './connection.js';
import type { SkuCounters, SkuOffered } from './evidence.js';

/** The simulation cannot come to a verdict; the message says why. */
export class CouldNotRun extends Error {}

const Count = { type: 'integer' } as const;
const SaleCheck = compile({
  type: 'object',
  required: ['skus'],
  properties: {
    skus: {
      type: 'array',
      items: {
        type: 'object',
        required: ['sku', 'total', 'available', 'held', 'confirmed'],
        properties: {
          sku: { type: 'string' },
          total: Count,
          available: Count,
          held: Count,
          confirmed: Count,
        },
      },
    },
  },
});

export interface SaleToOpen {
  readonly saleId: string;
  readonly holdSeconds: number;
  readonly skus: readonly SkuOffered[];
}

export class SaleClient {
  readonly #connection: Connection;
  readonly #asker: Asker;
  readonly #path: string;

  constructor(connection: Connection, asker: Asker, saleId: string) {
    this.#connection = connection;
    this.#asker = asker;
    this.#path = `/v1/sales/${saleId}`;
  }

  /** Throws CouldNotRun if the server refuses it. */
  async open(sale: SaleToOpen): Promise<void> {
    const definition = {
      name: 'leiniao simulate',
      holdSeconds: sale.holdSeconds,
      // JSON leaves out a limit that is undefined.
      skus: sale.skus,
    };
    await this.#ask('PUT', this.#path, 'open the sale', JSON.stringify(definition));
  }

  /** Throws CouldNotRun if there is no such answer. */
  async counters(): Promise<readonly SkuCounters[]> {
    const body = parseJson(await this.#ask('GET', this.#path, 'read the sale'));
    if (SaleCheck.Check(body)) return body.skus;
    throw new CouldNotRun('could not read the sale: its lines lack total, available, held or confirmed');
  }

  /** A courtesy to a server that goes on: nobody can order from this sale again. */
  async end(): Promise<void> {
    await this.#ask('POST', `${this.#path}/end`, 'end the sale');
  }

  async #ask(method: 'GET' | 'PUT' | 'POST', path: string, what: string, json?: string): Promise<string> {
    const asked = await this.#asker.ask(this.#connection, { method, path, json });
    if (asked.kind !== 'answered') throw new CouldNotRun(`could not ${what}: the server did not answer`);
    const { status, body } = asked.answer;
    if (status < 300) return body;
    throw new CouldNotRun(`could not ${what}: ${status} ${codeOf(asked.answer)}: ${body.slice(0, 500)}`);
  }
}
