/**
 * The ceiling: a bare uWebSockets.js app that parses the same JSON body and answers a fixed reply of the same size as
 * leiniao's, headers included. Run as a process of its own; prints its port.
 */
import { loadUws } from '#dist/acceptor/uws/load.js';

const created =
  '{"orderId":"49393f0100000000","sale":"bench","sku":"sku-1","buyer":"round-00-100000001","quantity":1' +
  ',"status":"held","sequence":1000001,"createdAt":"2026-11-11T00:00:00.000Z"' +
  ',"expiresAt":"2026-11-11T00:05:00.000Z","durability":"memory"}';
const soldOut =
  '{"type":"urn:leiniao:problem:sold_out","title":"Sold out","status":409,"code":"sold_out"' +
  ',"detail":"Nothing is left just now; held units may come back."}';

const uws = loadUws();
const app = uws.App();
app.post('/v1/sales/:sale/orders', (res, req) => {
  const refused = req.getParameter(0) === 'sold-out';
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  res.onData((chunk, isLast) => {
    if (!isLast || aborted) return;
    const body = JSON.parse(Buffer.from(chunk).toString('latin1')) as { sku?: string };
    if (body.sku !== 'sku-1') throw new Error('not the order that was sent');
    res.cork(() => {
      if (refused) {
        res.writeStatus('409 Conflict').writeHeader('Content-Type', 'application/problem+json').end(soldOut);
        return;
      }
      res
        .writeStatus('201 Created')
        .writeHeader('Location', '/v1/orders/49393f0100000000')
        .writeHeader('Content-Type', 'application/json')
        .end(created);
    });
  });
});
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('cannot listen');
  process.stdout.write(`listening on http://127.0.0.1:${uws.us_socket_local_port(socket)}\n`);
  process.once('SIGTERM', () => app.close());
});
