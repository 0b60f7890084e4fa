/**
 * An HTTP request and its answer: what the client sent, whether he is still there, and how he is answered. On its acceptor's
 * thread, from the request's head to the end of its answer or the client's disappearance; after that it may take on another
 * request.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { invalid, type Refusal, refuse, type ValidationIssue } from '../errors.js';
import { type Answer, problemAnswer, type Text } from './answer.js';
import { asciiText, decode, isPlain } from './body-text.js';

/** What the exchanges of one server share. */
export interface ExchangeHost {
  /** Requests whose answer is not through. */
  active: number;
  /** Bytes of bodies that are kept while the rest of them is on its way. */
  gatheredBytes: number;
  /** Bytes of answers that their clients have yet to read. */
  unsentBytes: number;
  /** Set when the server shuts down: every answer that is sent at once then closes its connection. */
  closing: boolean;
  /** Set while uWebSockets.js calls us: it has corked the socket then. */
  corked: boolean;
  /** Called when `active` falls to zero while closing. */
  onIdle: (() => void) | undefined;
  /** Answers that may leave before one of them looks whether its client reads. */
  untilLook: number;
  readonly onDefect: (error: unknown) => void;
}

/** What the exchanges of a new server share. */
export function newExchangeHost(onDefect: ExchangeHost['onDefect']): ExchangeHost {
  return {
    active: 0,
    gatheredBytes: 0,
    unsentBytes: 0,
    closing: false,
    corked: false,
    onIdle: undefined,
    untilLook: answersUntilLook(),
    onDefect,
  };
}

/** The names of the request headers we read, as bytes: a text would be converted at every look-up. */
export const headerKeys = {
  contentLength: headerKey('content-length'),
  contentType: headerKey('content-type'),
  idempotencyKey: headerKey('idempotency-key'),
  transferEncoding: headerKey('transfer-encoding'),
} as const;

function headerKey(name: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(name)).buffer;
}

const noBytes = new Uint8Array(0);
const internal = problemAnswer(
  refuse('internal', 'The request failed by a defect of the server. It has been logged.'),
);
// Where two servers disagree about where a body ends, requests can be smuggled between them.
const transferEncoding = problemAnswer(
  invalid('Transfer-Encoding is not accepted: send a Content-Length.', [
    { path: '/headers/transfer-encoding', message: 'is not accepted' },
  ]),
);
const tooManyBodies = problemAnswer(refuse('overloaded', 'Too many bodies are on their way at once.', 1));
const tooManyAnswers = problemAnswer(
  refuse('overloaded', 'Too many long answers wait for clients to read them.', 1),
);
const notUtf8 = problemAnswer(invalid('The body is not UTF-8.', [{ path: '', message: 'must be UTF-8' }]));

/** Whoever is given the body of a request. */
export interface BodySink {
  /**
   * Looks whether it knows the body as it is, and returns whether it took it: else it is given the text.
   *
   * @param bytes gone when this returns
   */
  recognise?(bytes: Uint8Array): boolean;
  /** @param plain whether the text is nothing but printable ASCII without a backslash: so are the strings in it, if it is JSON */
  take(text: string, plain: boolean): void;
}

export class Exchange {
  readonly #host: ExchangeHost;
  /** Undefined once answered, or once the client is gone. */
  #res: HttpResponse | undefined = undefined;
  #bodySink: BodySink | undefined = undefined;
  #bytesMax = 0;
  /** Chunks of the body that came while the rest of it was on its way. */
  #gathered: Buffer[] | undefined = undefined;
  #gatheredBytes = 0;
  /** Whether all of the body is there. */
  #whole = false;
  #unsentBytes = 0;
  // Made once, because an exchange may serve one request after the other.
  readonly #onAborted = (): void => {
    this.#res = undefined;
    this.#finished();
  };
  readonly #onData = (chunk: ArrayBuffer, isLast: boolean): void => {
    this.#gather(chunk, isLast);
  };

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  /** Takes a request on. Registers for the client's disappearance, which has to come first of all. */
  begin(res: HttpResponse): void {
    assert(this.#res === undefined, 'an exchange has one request at a time');
    this.#res = res;
    this.#whole = false;
    this.#host.active += 1;
    res.onAborted(this.#onAborted);
  }

  /** Whether somebody still waits for the answer. */
  get open(): boolean {
    return this.#res !== undefined;
  }

  #finished(): void {
    const host = this.#host;
    host.gatheredBytes -= this.#gatheredBytes;
    host.unsentBytes -= this.#unsentBytes;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    this.#unsentBytes = 0;
    host.active -= 1;
    if (host.active === 0) host.onIdle?.();
  }

  /**
   * Answers, unless that was done or nobody waits any more.
   *
   * @param close whether to close the connection, because the rest of the request is not read
   */
  send(head: Text, body: Text, close = false): void {
    const res = this.#res;
    if (res === undefined) return;
    const host = this.#host;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const closing = close || host.closing;
    const long = bytes.length > limits.answerBytesAtOnceMax;
    if (long && !closing && host.unsentBytes + bytes.length > limits.unsentBytesMax) {
      this.answer(tooManyAnswers);
      return;
    }
    // Of what is read at once there may be any number from one client. Else a look now and then will do, as long as nobody
    // can choose when: it takes a twentieth of an order's time.
    host.untilLook -= 1;
    const careful = long || host.corked || host.untilLook <= 0;
    this.#res = undefined;
    if (careful && !closing) this.#sendCarefully(res, head, bytes);
    else this.#sendAtOnce(res, head, bytes, closing);
  }

  #sendAtOnce(res: HttpResponse, head: Text, body: Uint8Array, closing: boolean): void {
    try {
      // Head and body leave in one system call.
      res.cork(() => res.writeStatus(head).end(body, closing));
    } finally {
      this.#finished();
    }
    if (this.#whole) this.ended();
  }

  /** Hands over no more than the client takes: uWebSockets.js keeps whatever he leaves unread. */
  #sendCarefully(res: HttpResponse, head: Text, body: Uint8Array): void {
    const host = this.#host;
    if (host.untilLook <= 0) host.untilLook = answersUntilLook();
    let sent = true;
    try {
      res.cork(() => {
        sent = res.writeStatus(head).tryEnd(body, body.length)[1];
      });
    } finally {
      if (sent) this.#finished();
    }
    if (!sent) this.#sendRest(res, body);
    else if (this.#whole) this.ended();
  }

  /**
   * Called when the answer is out and nothing more of the request will come: nobody knows this exchange any more. Not where
   * that is uncertain: the client has gone, the body was not read to its end, or he has yet to take the answer.
   */
  protected ended(): void {}

  /**
   * Sends a body as the client takes it. So the memory that a slow client ties up is bounded, and a shutdown knows when he has
   * all of it; a further request of his closes the connection.
   */
  #sendRest(res: HttpResponse, bytes: Uint8Array): void {
    this.#host.unsentBytes += bytes.length;
    this.#unsentBytes = bytes.length;
    // A writer's bytes are another answer's soon.
    const kept = bytes.slice();
    let through = false;
    res.onWritable((offset) => {
      const [ok, done] = res.tryEnd(kept.subarray(offset), kept.length);
      if (done && !through) {
        through = true;
        this.#finished();
      }
      return ok;
    });
  }

  answer({ head, body }: Answer, close = false): void {
    this.send(head, body, close);
  }

  refuse(refusal: Refusal, close = false): void {
    this.answer(problemAnswer(refusal), close);
  }

  invalid(detail: string, errors: readonly ValidationIssue[], close = false): void {
    this.refuse(invalid(detail, errors), close);
  }

  /** Answers a HEAD request: with the head that `answer` has and nothing after it. */
  answerHead({ head, body }: Answer): void {
    const res = this.#res;
    if (res === undefined) return;
    this.#res = undefined;
    const length = Buffer.byteLength(body);
    res.cork(() => res.writeStatus(head).endWithoutBody(length, this.#host.closing));
    this.#finished();
  }

  /** Answers 500 and reports the error. */
  fail(error: unknown): void {
    this.#host.onDefect(error);
    this.answer(internal);
  }

  /**
   * Reads the body and hands it to `sink` as text. Answers by itself, and never calls the sink, when the body is
   * over `bytesMax` bytes, is not UTF-8, or was announced by a Transfer-Encoding. Must be called while the request
   * is being handled.
   */
  body(req: HttpRequest, bytesMax: number, sink: BodySink): void {
    this.#bytesMax = bytesMax;
    this.#bodySink = sink;
    const length = req.getHeader(headerKeys.contentLength);
    // uWebSockets.js itself refuses a Transfer-Encoding beside a Content-Length.
    if (length === '' && req.getHeader(headerKeys.transferEncoding) !== '')
      this.answer(transferEncoding, true);
    // Of an empty body it never tells where the head came in several pieces.
    else if (length === '' || (length.startsWith('0') && Number(length) === 0)) this.#complete(noBytes);
    else this.#res!.onData(this.#onData);
  }

  #gather(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#res === undefined) return;
    const bytes = chunk.byteLength;
    if (this.#gatheredBytes + bytes > this.#bytesMax) {
      this.refuse(refuse('payload_too_large', `The body is over ${this.#bytesMax} bytes.`), true);
      return;
    }
    if (isLast) {
      const last = new Uint8Array(chunk);
      this.#complete(this.#gathered === undefined ? last : Buffer.concat([...this.#gathered, last]));
      return;
    }
    const host = this.#host;
    if (host.gatheredBytes + bytes > limits.gatheredBytesMax) {
      this.answer(tooManyBodies, true);
      return;
    }
    host.gatheredBytes += bytes;
    this.#gatheredBytes += bytes;
    // The chunk is detached when this returns.
    this.#gathered ??= [];
    this.#gathered.push(Buffer.from(chunk.slice(0)));
  }

  #complete(bytes: Uint8Array): void {
    this.#whole = true;
    const host = this.#host;
    const { corked } = host;
    host.corked = true;
    try {
      const sink = this.#bodySink!;
      if (sink.recognise?.(bytes)) return;
      const plain = isPlain(bytes);
      const text = plain ? asciiText(bytes, 0, bytes.length) : decode(bytes);
      if (text === undefined) this.answer(notUtf8);
      else sink.take(text, plain);
    } catch (error) {
      this.fail(error);
    } finally {
      host.corked = corked;
    }
  }
}

/** How many answers leave before one looks again whether its client reads: at random, on average as many as the limit says. */
function answersUntilLook(): number {
  return 1 + Math.floor(Math.random() * (2 * limits.unreadLookedForOf - 1));
}
