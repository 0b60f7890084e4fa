/** Routes to an app, with an answer for everything else: 405 with `Allow` for a known path, 404 for the rest. */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { refuse } from '../errors.js';
import { type Answer, problemAnswer } from './answer.js';
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

const shuttingDown = problemAnswer(refuse('shutting_down', 'The server is shutting down.', 1));
const notFound = problemAnswer(refuse('not_found', 'There is no such route.'));

/** Registers every route. An exception in a handler becomes a 500: one that escaped would end the process. */
export function route(app: TemplatedApp, host: ExchangeHost, routes: readonly Route[]): void {
  const guard = (handle: Handler) => (res: HttpResponse, req: HttpRequest) => {
    const exchange = new Exchange(host, res);
    if (host.closing) {
      exchange.answer(shuttingDown, true);
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
        new Exchange(host, res).answer(shuttingDown, true);
        return;
      }
      entry.raw(res, req);
    });
  }
  for (const [pattern, allowed] of methods) {
    const allow = allowed.join(', ');
    const refusal = refuse('method_not_allowed', `This route answers ${allow}.`);
    app.any(pattern, guard(always(problemAnswer(refusal, ['Allow', allow]))));
  }
  app.any('/*', guard(always(notFound)));
}

/** Gives everybody the same answer, and who asks with HEAD its head. */
function always(answer: Answer): Handler {
  return (exchange, req) => {
    if (req.getMethod() === 'head') exchange.answerHead(answer);
    else exchange.answer(answer);
  };
}
