/** HTTP by hand over a TCP socket: for requests that no client would send, and answers down to the byte. */
import { connect, type Socket } from 'node:net';
import { until } from './until.js';

export interface RawAnswer {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const headEnd = Buffer.from('\r\n\r\n');

/** The whole answers at the start of `bytes`, and what is left of them. Not for answers to HEAD. */
export function parseAnswers(bytes: Buffer): { answers: RawAnswer[]; rest: Buffer } {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf(headEnd);
    if (end === -1) return { answers, rest };
    const [statusLine = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    if (Number.isNaN(status)) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    const from = end + headEnd.length;
    if (rest.length < from + length) return { answers, rest };
    answers.push({ status, headers, body: rest.subarray(from, from + length).toString('utf8') });
    rest = rest.subarray(from + length);
  }
}

export interface RequestParts {
  readonly method?: string;
  readonly path: string;
  readonly headers?: readonly string[];
  /** Sent with a Content-Length of its own. */
  readonly body?: string | Buffer;
}

/** The bytes of a request. Texts are UTF-8. */
export function requestBytes({ method = 'POST', path, headers = [], body }: RequestParts): Buffer {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers, ...length, '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head), Buffer.from(body ?? '')]);
}

export class RawConnection {
  readonly socket: Socket;
  /** Whether the connection is closed, by whichever side. */
  closed = false;
  readonly #chunks: Buffer[] = [];
  readonly #answers: RawAnswer[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #parsed = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
    });
    // A reset is one way for a server to close; 'close' follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((done, fail) => {
      socket.once('connect', done);
      socket.once('error', fail);
    });
    return new RawConnection(socket);
  }

  /** Everything that has come in. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Hands bytes to the kernel and resolves once it has them, or once the connection is gone. */
  async send(bytes: string | Buffer): Promise<void> {
    if (this.closed) return;
    await new Promise<void>((done) => {
      this.socket.once('close', done);
      this.socket.write(bytes, (error) => {
        // After an error comes 'close'; going on before would starve it.
        if (error) return;
        this.socket.removeListener('close', done);
        done();
      });
    });
  }

  /** The next whole answer. An interim answer (1xx) counts as one. */
  async answer(deadlineMs = 5_000): Promise<RawAnswer> {
    await until('an answer', () => this.#parse() > 0 || this.closed, deadlineMs);
    if (this.#parse() > 0) return this.#answers.shift()!;
    const last = JSON.stringify(this.#rest.toString('latin1', 0, 200));
    throw new Error(`closed without an answer; of the next one came ${this.#rest.length} bytes: ${last}`);
  }

  /** How many whole answers have come in and not been asked for. */
  #parse(): number {
    if (this.#parsed < this.#chunks.length) {
      const { answers, rest } = parseAnswers(
        Buffer.concat([this.#rest, ...this.#chunks.slice(this.#parsed)]),
      );
      this.#parsed = this.#chunks.length;
      this.#answers.push(...answers);
      this.#rest = rest;
    }
    return this.#answers.length;
  }

  async closing(deadlineMs = 5_000): Promise<void> {
    await until('the connection to close', () => this.closed, deadlineMs);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Sends one request on a connection of its own and resolves to the answer. */
export async function exchange(port: number, request: string | Buffer): Promise<RawAnswer> {
  const connection = await RawConnection.open(port);
  try {
    await connection.send(request);
    return await connection.answer();
  } finally {
    connection.destroy();
  }
}

/**
 * Sends bytes in pieces that the server gets one by one: its one thread for HTTP reads in the order in which things arrive,
 * so it has read a piece once it has answered a request that was sent after it.
 */
export async function sendInPieces(
  port: number,
  connection: RawConnection,
  pieces: Iterable<Buffer>,
): Promise<void> {
  const other = await RawConnection.open(port);
  try {
    for (const piece of pieces) {
      await connection.send(piece);
      await other.send(requestBytes({ method: 'GET', path: '/healthz' }));
      await other.answer();
    }
  } finally {
    other.destroy();
  }
}
