/** Routes to an app, with an answer for everything else: 405 with `Allow` for a known path, 404 for the rest. */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { refuse } from '../errors.js';
import { Exchange, type ExchangeHost } from './exchange.js';

export type Handler = (exchange: Exchange, req: HttpRequest) => void;

export type Route = {
  readonly method: 'get' | 'post' | 'put';
  readonly pattern: string;
} & (
  | { readonly handle: Handler }
  /** Makes its exchange itself. */
  | { readonly raw: (res: HttpResponse, req: HttpRequest) => void }
);

const shuttingDown = refuse('shutting_down', 'The server is shutting down.', 1);

/** Registers every route. An exception in a handler becomes a 500: one that escaped would end the process. */
export function route(app: TemplatedApp, host: ExchangeHost, routes: readonly Route[]): void {
  const guard = (handle: Handler) => (res: HttpResponse, req: HttpRequest) => {
    const exchange = new Exchange(host, res);
    if (host.closing) {
      exchange.refuse(shuttingDown, true);
      return;
    }
    try {
      handle(exchange, req);
    } catch (error) {
      exchange.fail(error);
    }
  };
  const methods = new Map<string, string[]>();
  for (const entry of routes) {
    const { method, pattern } = entry;
    methods.set(pattern, [...(methods.get(pattern) ?? []), method.toUpperCase()]);
    if ('handle' in entry) {
      app[method](pattern, guard(entry.handle));
      continue;
    }
    app[method](pattern, (res, req) => {
      if (host.closing) {
        new Exchange(host, res).refuse(shuttingDown, true);
        return;
      }
      entry.raw(res, req);
    });
  }
  for (const [pattern, allowed] of methods) {
    const allow = allowed.join(', ');
    const refusal = refuse('method_not_allowed', `This route answers ${allow}.`);
    app.any(
      pattern,
      guard((exchange, req) => exchange.refuse(refusal, false, allow, isHead(req))),
    );
  }
  const notFound = refuse('not_found', 'There is no such route.');
  app.any(
    '/*',
    guard((exchange, req) => exchange.refuse(notFound, false, undefined, isHead(req))),
  );
}

function isHead(req: HttpRequest): boolean {
  return req.getMethod() === 'head';
}
