/** A client of the HTTP API, as the contract with its users has it. It shares no code with the server. */
import { Pool } from 'undici';

export interface OrderJson {
  readonly orderId: string;
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly status: 'held' | 'confirmed' | 'cancelled' | 'expired';
  readonly sequence: number;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly durability: string;
}

export interface SkuJson {
  readonly sku: string;
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
  readonly limitPerBuyer: number | null;
}

export interface SaleJson {
  readonly sale: string;
  readonly name?: string;
  readonly phase: string;
  readonly startsAt: string;
  readonly endsAt: string | null;
  readonly holdSeconds: number;
  readonly skus: readonly SkuJson[];
}

export interface ProblemJson {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';

/** An answer; the getters say what its body is taken for. */
export class Answer {
  readonly status: number;
  readonly body: unknown;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(status: number, headers: Readonly<Record<string, string>>, body: unknown) {
    this.status = status;
    this.body = body;
    this.#headers = headers;
  }

  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined {
    return this.#headers[name];
  }

  /** The code of a problem, or undefined. */
  get code(): string | undefined {
    return this.status >= 400 ? this.problem.code : undefined;
  }

  get problem(): ProblemJson {
    return this.body as ProblemJson;
  }

  get order(): OrderJson {
    return this.body as OrderJson;
  }

  get sale(): SaleJson {
    return this.body as SaleJson;
  }

  get line(): SkuJson {
    return this.body as SkuJson;
  }
}

export type Headers = Readonly<Record<string, string>>;

export class Api {
  readonly url: string;
  readonly #pool: Pool;

  /** Keep-alive connections, one request at a time on each. */
  constructor(url: string, connections = 16) {
    this.url = url;
    this.#pool = new Pool(url, { connections, pipelining: 1 });
  }

  async call(method: Method, path: string, body?: unknown, headers: Headers = {}): Promise<Answer> {
    return await this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body), headers);
  }

  /** Posts a text that claims to be JSON. */
  raw(path: string, text: string): Promise<Answer> {
    return this.#ask('POST', path, text, {});
  }

  async #ask(method: Method, path: string, sent: string | undefined, headers: Headers): Promise<Answer> {
    const response = await this.#pool.request({
      method,
      path,
      body: sent ?? null,
      headers: sent === undefined ? headers : { 'content-type': 'application/json', ...headers },
    });
    const text = await response.body.text();
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    return new Answer(response.statusCode, response.headers as Record<string, string>, json);
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  post(path: string, body?: unknown, headers?: Headers): Promise<Answer> {
    return this.call('POST', path, body, headers);
  }

  put(sale: string, definition: unknown): Promise<Answer> {
    return this.call('PUT', `/v1/sales/${sale}`, definition);
  }

  order(sale: string, body: unknown, key?: string): Promise<Answer> {
    return this.post(
      `/v1/sales/${sale}/orders`,
      body,
      key === undefined ? undefined : { 'idempotency-key': key },
    );
  }

  confirm(orderId: string): Promise<Answer> {
    return this.post(`/v1/orders/${orderId}/confirm`);
  }

  cancel(orderId: string): Promise<Answer> {
    return this.post(`/v1/orders/${orderId}/cancel`);
  }

  async sku(sale: string, sku: string): Promise<SkuJson> {
    return (await this.get(`/v1/sales/${sale}/skus/${sku}`)).line;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
