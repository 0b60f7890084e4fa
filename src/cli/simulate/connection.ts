/** One keep-alive connection that carries one request at a time. */
import type { IncomingHttpHeaders } from 'node:http';
import { Client, type Dispatcher } from 'undici';

/** Above the server's own reply deadline, so that its answer is heard before we give up. */
const answerMsMax = 15_000;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

export interface HttpQuestion {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  readonly json?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

export class Connection {
  readonly #client: Client;

  constructor(origin: string) {
    this.#client = new Client(origin, {
      pipelining: 1,
      connect: { timeout: answerMsMax },
      headersTimeout: answerMsMax,
      bodyTimeout: answerMsMax,
    });
  }

  /** Rejects if the connection fails or no answer comes in time. Any HTTP status is an answer. */
  ask(question: HttpQuestion): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    if (question.json !== undefined) headers['content-type'] = 'application/json';
    if (question.idempotencyKey !== undefined) headers['idempotency-key'] = question.idempotencyKey;
    const options: Dispatcher.DispatchOptions = {
      method: question.method,
      path: question.path,
      headers,
      body: question.json ?? null,
    };
    // `dispatch` rather than `request`: a stream per answer would cost the generator more than the answer.
    return new Promise((resolve, reject) => {
      let status = 0;
      let answerHeaders: IncomingHttpHeaders = {};
      let body = '';
      this.#client.dispatch(options, {
        onRequestStart() {},
        onResponseStart(_controller, statusCode, responseHeaders) {
          status = statusCode;
          answerHeaders = responseHeaders;
        },
        onResponseData(_controller, chunk) {
          body += chunk.toString('utf8');
        },
        onResponseEnd() {
          resolve({ status, body, headers: answerHeaders });
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      });
    });
  }

  /** Drops the connection; a pending question is rejected. */
  async close(): Promise<void> {
    await this.#client.destroy();
  }
}
