/**
 * The ceiling: a bare uWebSockets.js app that parses the same JSON body and answers a fixed reply of the same size as
 * leiniao's, headers included. It counts its replies, and that is all it keeps. A process of its own; prints its URL.
 *
 * Two ways of running it do what no server can leave out that keeps leiniao's contract and decides in other threads: they
 * look at the three headers that say how an order is to be read, and do not answer while it is being read. With
 * `--answer-later` it answers a turn of the event loop later, with `--ask-a-thread` when another thread has answered.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { loadUws } from '#dist/acceptor/uws/load.js';
import { type Counters, orderDocument, problems, sampleOrder, sku, stockOf } from './answers.js';
import { startEcho } from './echo.js';

const created = JSON.stringify(orderDocument(sampleOrder, 1_794_355_200_000));
const soldOut = JSON.stringify(problems.sold_out);

// As bytes, as leiniao has them: a text would be converted at every look-up.
const [contentType, contentLength, idempotencyKey] = [
  'content-type',
  'content-length',
  'idempotency-key',
].map((name) => new Uint8Array(Buffer.from(name)).buffer) as [ArrayBuffer, ArrayBuffer, ArrayBuffer];

const decide = await decider();
const uws = loadUws();
const app = uws.App();
let accepted = 0;

/** How it is found out when an order may be answered: the action is run then. Undefined where that is at once. */
async function decider(): Promise<((then: () => void) => void) | undefined> {
  if (process.argv.includes('--ask-a-thread')) return startEcho();
  return process.argv.includes('--answer-later') ? turnLater() : undefined;
}

/**
 * What is read in a turn of the event loop is answered in the next, once that one's has been read: as if a thread had been
 * asked.
 */
function turnLater(): (then: () => void) => void {
  let read: (() => void)[] = [];
  return (then) => {
    if (read.push(then) > 1) return;
    setImmediate(() => {
      const due = read;
      read = [];
      setImmediate(() => {
        for (const action of due) action();
      });
    });
  };
}

function lookAtHeaders(req: HttpRequest): void {
  if (req.getHeader(contentType) !== 'application/json') throw new Error('not JSON');
  if (req.getHeader(contentLength) === '') throw new Error('no length');
  if (req.getHeader(idempotencyKey) !== '') throw new Error('a key, which no order of a load has');
}

function answer(res: HttpResponse, refused: boolean): void {
  res.cork(() => {
    if (refused) {
      res.writeStatus('409 Conflict').writeHeader('Content-Type', 'application/problem+json').end(soldOut);
      return;
    }
    accepted += 1;
    res
      .writeStatus('201 Created')
      .writeHeader('Location', '/v1/orders/49393f0100000000')
      .writeHeader('Content-Type', 'application/json')
      .end(created);
  });
}

app.post('/v1/sales/:sale/orders', (res, req) => {
  const refused = req.getParameter(0) === 'sold-out';
  if (decide !== undefined) lookAtHeaders(req);
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  res.onData((chunk, isLast) => {
    if (!isLast || aborted) return;
    const body = JSON.parse(Buffer.from(chunk).toString('latin1')) as { sku?: string };
    if (body.sku !== sku) throw new Error('not the order that was sent');
    if (decide === undefined) answer(res, refused);
    else
      decide(() => {
        if (!aborted) answer(res, refused);
      });
  });
});
app.get('/v1/sales/:sale/skus/:sku', (res, req) => {
  const total = req.getParameter(0) === 'sold-out' ? 0 : stockOf.bench;
  const held = total === 0 ? 0 : accepted;
  const counters: Counters = { total, available: total - held, held, confirmed: 0, pending: 0 };
  res.writeHeader('Content-Type', 'application/json').end(JSON.stringify(counters));
});
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('cannot listen');
  process.stdout.write(`listening on http://127.0.0.1:${uws.us_socket_local_port(socket)}\n`);
  process.once('SIGTERM', () => app.close());
});
