/**
 * Routes to an app, with an answer for everything else: 405 with `Allow` for a known path, 404 for the rest. On the
 * acceptor's thread.
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { refuse } from '../errors.js';
import { type Answer, problemAnswer } from './answer.js';
import { Exchange, type ExchangeHost } from './exchange.js';

export type Handler = (exchange: Exchange, req: HttpRequest) => void;

export type Route = {
  readonly method: 'get' | 'post' | 'put';
  readonly pattern: string;
} & ({ readonly handle: Handler } | { readonly open: (res: HttpResponse) => SelfHandling });

/** An exchange that knows by itself what to do with its request. */
export interface SelfHandling extends Exchange {
  handle(req: HttpRequest): void;
}

const shuttingDown = problemAnswer(refuse('shutting_down', 'The server is shutting down.', 1));
const notFound = problemAnswer(refuse('not_found', 'There is no such route.'));

/** Registers every route. An exception in a handler becomes a 500: one that escaped would end the process. */
export function route(app: TemplatedApp, host: ExchangeHost, routes: readonly Route[]): void {
  const plain = (res: HttpResponse) => {
    const exchange = new Exchange(host);
    exchange.begin(res);
    return exchange;
  };
  const guard =
    <E extends Exchange>(open: (res: HttpResponse) => E, handle: (exchange: E, req: HttpRequest) => void) =>
    (res: HttpResponse, req: HttpRequest) => {
      const exchange = open(res);
      const { corked } = host;
      host.corked = true;
      try {
        if (host.closing) exchange.answer(shuttingDown, true);
        else handle(exchange, req);
      } catch (error) {
        exchange.fail(error);
      } finally {
        host.corked = corked;
      }
    };
  const methods = new Map<string, string[]>();
  for (const entry of routes) {
    const { method, pattern } = entry;
    methods.set(pattern, [...(methods.get(pattern) ?? []), method.toUpperCase()]);
    app[method](
      pattern,
      'handle' in entry
        ? guard(plain, entry.handle)
        : guard(entry.open, (exchange, req) => exchange.handle(req)),
    );
  }
  for (const [pattern, allowed] of methods) {
    const allow = allowed.join(', ');
    const refusal = refuse('method_not_allowed', `This route answers ${allow}.`);
    app.any(pattern, guard(plain, always(problemAnswer(refusal, ['Allow', allow]))));
  }
  app.any('/*', guard(plain, always(notFound)));
}

/** Gives everybody the same answer, and who asks with HEAD its head. */
function always(answer: Answer): Handler {
  return (exchange, req) => {
    if (req.getMethod() === 'head') exchange.answerHead(answer);
    else exchange.answer(answer);
  };
}
