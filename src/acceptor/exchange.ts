/**
 * One HTTP request and its answer: what the client sent, whether he is still there, and every way to answer him.
 * Lives on its acceptor's thread from the request's head to its answer or the client's disappearance.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { isAscii, isUtf8 } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import { codes, type Refusal, refuse, type ValidationIssue } from '../errors.js';
import type { Order } from '../sale/order.js';
import { orderJson, problemJson } from './json.js';

/** What the exchanges of one server share. */
export interface ExchangeHost {
  /** Requests that have not been answered. */
  active: number;
  /** Set when the server shuts down: every answer then closes its connection. */
  closing: boolean;
  /** Set while uWebSockets.js calls us: it has corked the socket then. */
  corked: boolean;
  /** Called when `active` falls to zero while closing. */
  onIdle: (() => void) | undefined;
  readonly onDefect: (error: unknown) => void;
}

const statusLines = new Map(
  Object.entries(STATUS_CODES).map(([status, text]) => [Number(status), `${status} ${text}`]),
);

function statusLine(status: number): string {
  return statusLines.get(status) ?? String(status);
}

const internal = refuse('internal', 'The request failed by a defect of the server. It has been logged.');

export class Exchange {
  readonly #host: ExchangeHost;
  /** Undefined once answered, or once the client is gone. */
  #res: HttpResponse | undefined;

  /** Registers for the client's disappearance, which has to come first of all. */
  constructor(host: ExchangeHost, res: HttpResponse) {
    this.#host = host;
    this.#res = res;
    host.active += 1;
    res.onAborted(() => {
      this.#res = undefined;
      this.#finished();
    });
  }

  /** Whether somebody still waits for the answer. */
  get open(): boolean {
    return this.#res !== undefined;
  }

  #finished(): void {
    this.#host.active -= 1;
    if (this.#host.active === 0) this.#host.onIdle?.();
  }

  /** The response, if somebody still waits for it. Later answers to the same request are ignored. */
  #take(): HttpResponse | undefined {
    const res = this.#res;
    this.#res = undefined;
    return res;
  }

  /** Answers, in one system call: within a callback of uWebSockets.js that is so by itself. */
  #answer(res: HttpResponse, write: (res: HttpResponse) => void): void {
    if (this.#host.corked) write(res);
    else res.cork(() => write(res));
    this.#finished();
  }

  json(status: number, value: object): void {
    this.text(status, JSON.stringify(value));
  }

  /** JSON that is text already. */
  text(status: number, json: string): void {
    const res = this.#take();
    if (res === undefined) return;
    this.#answer(res, () => {
      res.writeStatus(statusLine(status)).writeHeader('Content-Type', 'application/json');
      res.end(json, this.#host.closing);
    });
  }

  /** A JSON answer with one more header. */
  jsonWith(status: number, header: string, headerValue: string, value: object): void {
    const res = this.#take();
    if (res === undefined) return;
    this.#answer(res, () => {
      res
        .writeStatus(statusLine(status))
        .writeHeader('Content-Type', 'application/json')
        .writeHeader(header, headerValue)
        .end(JSON.stringify(value), this.#host.closing);
    });
  }

  /** A new order: 201 and where it is. */
  created(order: Order): void {
    const res = this.#take();
    if (res === undefined) return;
    this.#answer(res, () => {
      res
        .writeStatus('201 Created')
        .writeHeader('Location', `/v1/orders/${order.orderId}`)
        .writeHeader('Content-Type', 'application/json')
        .end(orderJson(order), this.#host.closing);
    });
  }

  /** An order that was there before. */
  order(order: Order, replayOfKey: boolean): void {
    const res = this.#take();
    if (res === undefined) return;
    this.#answer(res, () => {
      res.writeStatus('200 OK').writeHeader('Content-Type', 'application/json');
      if (replayOfKey) res.writeHeader('Idempotency-Replayed', 'true');
      res.end(orderJson(order), this.#host.closing);
    });
  }

  /**
   * @param close whether to close the connection, because the rest of the request is not read
   * @param withoutBody for HEAD, whose answer has the head of the others and nothing after it
   */
  refuse(refusal: Refusal, close = false, allow?: string, withoutBody = false): void {
    const res = this.#take();
    if (res === undefined) return;
    this.#answer(res, () => {
      res
        .writeStatus(statusLine(codes[refusal.code].status))
        .writeHeader('Content-Type', 'application/problem+json');
      if (refusal.retryAfterSeconds !== undefined) {
        res.writeHeader('Retry-After', String(refusal.retryAfterSeconds));
      }
      if (allow !== undefined) res.writeHeader('Allow', allow);
      const body = problemJson(refusal);
      const closing = close || this.#host.closing;
      if (withoutBody) res.endWithoutBody(Buffer.byteLength(body), closing);
      else res.end(body, closing);
    });
  }

  invalid(detail: string, errors: readonly ValidationIssue[], close = false): void {
    this.refuse({ ...refuse('invalid_request', detail), errors }, close);
  }

  /** Answers 500 and reports the error. */
  fail(error: unknown): void {
    this.#host.onDefect(error);
    this.refuse(internal);
  }

  /**
   * Reads the body and hands it to `done` as text. Answers by itself, and never calls `done`, when the body is
   * over `bytesMax` bytes, is not UTF-8, or was announced by a Transfer-Encoding. Must be called while the request
   * is being handled.
   */
  body(req: HttpRequest, bytesMax: number, done: (text: string) => void): void {
    const res = this.#res!;
    if (req.getHeader('transfer-encoding') !== '') {
      // Where two servers disagree about where a body ends, requests can be smuggled between them.
      this.invalid('Transfer-Encoding is not accepted: send a Content-Length.', [], true);
      return;
    }
    let gathered: Buffer[] | undefined;
    let bytes = 0;
    res.onData((chunk, isLast) => {
      if (this.#res === undefined) return;
      bytes += chunk.byteLength;
      if (bytes > bytesMax) {
        this.refuse(refuse('payload_too_large', `The body is over ${bytesMax} bytes.`), true);
        return;
      }
      if (!isLast) {
        // The chunk is detached when this returns.
        gathered ??= [];
        gathered.push(Buffer.from(chunk.slice(0)));
        return;
      }
      const { corked } = this.#host;
      this.#host.corked = true;
      try {
        const last = Buffer.from(chunk);
        const text = decode(gathered === undefined ? last : Buffer.concat([...gathered, last]));
        if (text === undefined)
          this.invalid('The body is not UTF-8.', [{ path: '', message: 'must be UTF-8' }]);
        else done(text);
      } catch (error) {
        this.fail(error);
      } finally {
        this.#host.corked = corked;
      }
    });
  }
}

/** UTF-8 as a string, or undefined where it is malformed. */
function decode(bytes: Buffer): string | undefined {
  if (isAscii(bytes)) return bytes.toString('latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** Whether a Content-Type header says JSON. */
export function isJson(contentType: string): boolean {
  return contentType === 'application/json' || /^application\/json\s*(;|$)/i.test(contentType);
}
