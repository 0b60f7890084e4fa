/**
 * `leiniao serve`: the engine behind HTTP until somebody asks it to stop. Runs on the main thread, which is
 * also the first acceptor. Stdout carries the ready line and the demo's commands; the log goes to stderr.
 */
import { type Logger, pino } from 'pino';
import { Engine, type SaleView } from '../index.js';
import { demoSale, demoSaleId, demoText } from './demo.js';
import { exitCode } from './exit-code.js';
import { refuseBeyondLoopback } from './loopback.js';
import type { ServerOptions } from './options.js';
import { readReceiptKey } from './receipt-key.js';
import { type ShutdownRequest, shutdownRequest } from './shutdown-request.js';

export interface ServeOptions extends ServerOptions {
  readonly demo: boolean;
  /** Shut down when stdin ends: a parent that dies by any means takes this server with it. */
  readonly exitOnStdinEnd: boolean;
}

async function openDemoSale(engine: Engine): Promise<SaleView> {
  const answer = await engine.putSale(demoSaleId, demoSale);
  // `sale_open`: the data folder remembers the demo from an earlier run.
  if (!answer.ok && answer.code !== 'sale_open') {
    throw new Error(`the demo sale was refused: ${answer.code}: ${answer.detail}`);
  }
  return engine.sale(demoSaleId)!;
}

function askWhenStdinEnds(shutdown: ShutdownRequest): void {
  process.stdin.once('end', () => shutdown.ask('stdin ended'));
  process.stdin.once('error', () => shutdown.ask('stdin failed'));
  process.stdin.resume();
}

async function serveUntilAsked(options: ServeOptions, shutdown: ShutdownRequest, log: Logger): Promise<void> {
  const { receiptKeyFile } = options;
  const receipts = receiptKeyFile === undefined ? {} : { receiptKey: await readReceiptKey(receiptKeyFile) };
  log.info({ engine: options.engine }, 'starting');
  const engine = await Engine.start({ ...options.engine, ...receipts, log });
  try {
    if (!shutdown.isAsked()) {
      const { url } = await engine.listen(options.listen);
      const demo = options.demo ? await openDemoSale(engine) : undefined;
      log.info({ url }, 'listening');
      process.stdout.write(`leiniao is listening on ${url}\n`);
      if (demo !== undefined) process.stdout.write(demoText(url, demo));
    }
    const reason = await shutdown.asked;
    log.info({ reason }, 'shutting down');
  } finally {
    await engine.close();
  }
  log.info('stopped');
}

/** Serves until SIGINT or SIGTERM. Throws a LeiniaoError if it cannot start. */
export async function serve(options: ServeOptions): Promise<number> {
  refuseBeyondLoopback(options.listen.host);
  // Synchronous, so that the last lines before an abrupt end are not lost.
  const log = pino({ base: null }, pino.destination({ dest: 2, sync: true }));
  const shutdown = shutdownRequest();
  if (options.exitOnStdinEnd) askWhenStdinEnds(shutdown);
  try {
    await serveUntilAsked(options, shutdown, log);
    return exitCode.ok;
  } finally {
    // An open stdin would keep the process alive.
    if (options.exitOnStdinEnd) process.stdin.destroy();
  }
}
