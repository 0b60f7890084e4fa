/** An HTTP server over one dispatcher: listens, routes, and shuts down in order. One per acceptor thread. */

import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { createServer } from 'node:net';
import { LeiniaoError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ListenConfig } from '../options.js';
import { type ExchangeHost, newExchangeHost } from './exchange.js';
import type { SaleOperator } from './operator.js';
import type { OrderContext } from './order-answers.js';
import { orderRoutes } from './order-routes.js';
import { route } from './router.js';
import { saleRoutes, serviceRoutes } from './sale-routes.js';
import { loadUws, type Uws } from './uws/load.js';

export interface ServerOptions extends ListenConfig {
  readonly context: OrderContext;
  readonly operator: SaleOperator;
  /** Undefined when every shard is open. */
  readonly whyNotReady: () => string | undefined;
  readonly log: Logger;
}

/**
 * Starts to serve.
 *
 * @throws LeiniaoError `uws_unavailable`, `port_in_use` or `listen_failed`
 */
export async function listen(options: ServerOptions): Promise<HttpServer> {
  const uws = loadUws();
  const host = newExchangeHost((error) => options.log.error({ err: error }, 'a request failed'));
  const app = uws.App();
  route(app, host, [
    ...orderRoutes(host, options.context),
    ...saleRoutes(options.operator),
    ...serviceRoutes(options.whyNotReady),
  ]);
  const socket = listenExclusively(uws, app, options.host, options.port);
  if (socket === false) {
    app.close();
    throw await whyNot(options.host, options.port);
  }
  return new HttpServer(uws, app, socket, host, options);
}

/** Without the exclusive flag a second server by mistake would share the port, and take half of the buyers. */
function listenExclusively(
  uws: Uws,
  app: TemplatedApp,
  host: string,
  port: number,
): us_listen_socket | false {
  let socket: us_listen_socket | false = false;
  // The declarations lack this overload and name the flag otherwise; the callback runs before `listen` returns.
  const { LIBUS_LISTEN_EXCLUSIVE_PORT } = uws as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number };
  const listenOn = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    callback: (listening: us_listen_socket | false) => void,
  ) => void;
  listenOn(host, port, LIBUS_LISTEN_EXCLUSIVE_PORT, (listening) => {
    socket = listening;
  });
  return socket;
}

/** uWebSockets.js does not say why it cannot listen: Node's own listener is asked. */
async function whyNot(host: string, port: number): Promise<LeiniaoError> {
  const probe = createServer();
  const cause = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () => resolve(undefined));
  });
  probe.close();
  return cause?.code === 'EADDRINUSE'
    ? new LeiniaoError('port_in_use', `port ${port} on ${host} is in use`, { cause })
    : new LeiniaoError(
        'listen_failed',
        `cannot listen on ${host} port ${port}${cause ? `: ${cause.message}` : ''}`,
        {
          cause,
        },
      );
}

/** Apps that live in this thread. */
const liveApps = new Set<TemplatedApp>();

/** A live app in a process that exits aborts it: whoever exits without `close` still leaves cleanly. */
function closeLiveApps(): void {
  for (const app of liveApps) app.close();
}

export class HttpServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly #uws: Uws;
  readonly #app: TemplatedApp;
  readonly #socket: us_listen_socket;
  readonly #exchanges: ExchangeHost;
  readonly #shutdownDeadlineMs: number;
  #closing: Promise<void> | undefined = undefined;

  constructor(
    uws: Uws,
    app: TemplatedApp,
    socket: us_listen_socket,
    exchanges: ExchangeHost,
    options: ListenConfig,
  ) {
    this.#uws = uws;
    this.#app = app;
    this.#socket = socket;
    this.#exchanges = exchanges;
    this.#shutdownDeadlineMs = options.shutdownDeadlineMs;
    this.host = options.host;
    this.port = uws.us_socket_local_port(socket);
    this.url = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${this.port}`;
    if (liveApps.size === 0) process.on('exit', closeLiveApps);
    liveApps.add(app);
  }

  /** Stops listening, answers what is in flight or waits for the deadline, then drops every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const exchanges = this.#exchanges;
    exchanges.closing = true;
    this.#uws.us_listen_socket_close(this.#socket);
    if (exchanges.active > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, this.#shutdownDeadlineMs);
        exchanges.onIdle = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
    liveApps.delete(this.#app);
    if (liveApps.size === 0) process.removeListener('exit', closeLiveApps);
    this.#app.close();
  }
}
