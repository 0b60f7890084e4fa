/** The operator's routes (sales, restock) and the service's own (health, readiness). On the acceptor's thread. */
import type { HttpRequest } from 'uWebSockets.js';
import { limits } from '../config.js';
import { type Refusal, refuse } from '../errors.js';
import { formatSentences, formats, isId } from '../sale/rules.js';
import { restockBody, saleDefinition } from '../sale/schema.js';
import type { Validator } from '../validation.js';
import { jsonAnswer } from './answer.js';
import type { Exchange } from './exchange.js';
import type { SaleOperator, SaleResult } from './operator.js';
import { notFoundIn, saleNotFound } from './order-answers.js';
import {
  bodyIssues,
  idempotencyKeyOf,
  keyError,
  noBody,
  notJson,
  parseJson,
  replayedField,
  saysJson,
} from './requests.js';
import type { Route } from './router.js';
import { saleJson, skuJson } from './views.js';

const ready = jsonAnswer(200, { status: 'ready' });
const up = jsonAnswer(200, { status: 'ok' });

/** Reads and validates a JSON body. */
function jsonBody<T>(
  exchange: Exchange,
  req: HttpRequest,
  bytesMax: number,
  validator: Validator<T>,
  done: (body: T) => void,
): void {
  if (!saysJson(req)) {
    exchange.answer(notJson);
    return;
  }
  exchange.body(req, bytesMax, {
    take: (text) => {
      const body = parseJson(text);
      if (validator.Check(body)) done(body);
      else exchange.invalid('The body is malformed.', bodyIssues(validator, body));
    },
  });
}

/** Runs `run` with the ids in the path, unless one of them can be nobody's. */
function withIds(
  exchange: Exchange,
  req: HttpRequest,
  names: readonly string[],
  run: (...ids: string[]) => void,
): void {
  const ids = names.map((_, i) => req.getParameter(i) ?? '');
  const errors = names
    .filter((_, i) => !isId(ids[i]!))
    .map((name) => ({ path: `/${name}`, message: formatSentences[formats.id]! }));
  if (errors.length > 0) exchange.invalid('The path is malformed.', errors, true);
  else run(...ids);
}

function answer<T extends { readonly ok: true }>(
  exchange: Exchange,
  work: Promise<T | Refusal>,
  done: (result: T) => void,
): void {
  work.then(
    (result) => {
      if (result.ok) done(result);
      else exchange.refuse(result);
    },
    (error: unknown) => exchange.fail(error),
  );
}

export function saleRoutes(operator: SaleOperator): Route[] {
  const put = (exchange: Exchange, req: HttpRequest): void =>
    withIds(exchange, req, ['sale'], (id) => {
      jsonBody(exchange, req, limits.saleBodyBytesMax, saleDefinition, (definition) => {
        answer(exchange, operator.putSale(id!, definition), (result) => {
          const sale = saleJson(result.sale);
          const created = () => jsonAnswer(201, sale, ['Location', `/v1/sales/${id}`]);
          exchange.answer(result.created ? created() : jsonAnswer(200, sale));
        });
      });
    });

  const control =
    (change: (id: string) => Promise<SaleResult | Refusal>) =>
    (exchange: Exchange, req: HttpRequest): void =>
      withIds(exchange, req, ['sale'], (id) => {
        noBody(exchange, req, () => {
          answer(exchange, change(id!), (result) => exchange.answer(jsonAnswer(200, saleJson(result.sale))));
        });
      });

  const read = (exchange: Exchange, req: HttpRequest): void =>
    withIds(exchange, req, ['sale'], (id) => {
      const sale = operator.sale(id!);
      if (sale === undefined) exchange.refuse(saleNotFound);
      else exchange.answer(jsonAnswer(200, saleJson(sale)));
    });

  const readSku = (exchange: Exchange, req: HttpRequest): void =>
    withIds(exchange, req, ['sale', 'sku'], (id, skuId) => {
      const line = operator.sku(id!, skuId!);
      if (line !== undefined) exchange.answer(jsonAnswer(200, skuJson(line)));
      else exchange.refuse(notFoundIn(operator.sale(id!)));
    });

  const restock = (exchange: Exchange, req: HttpRequest): void =>
    withIds(exchange, req, ['sale', 'sku'], (id, skuId) => {
      const key = idempotencyKeyOf(req);
      const error = keyError(key);
      if (error !== undefined) {
        exchange.invalid('The request is malformed.', [error], true);
        return;
      }
      jsonBody(exchange, req, limits.orderBodyBytesMax, restockBody, ({ quantity }) => {
        const work = operator.restock(id!, skuId!, quantity, key === '' ? undefined : key);
        answer(exchange, work, (result) => {
          const line = skuJson(result.sku);
          const fields = result.replayed ? [replayedField] : [];
          exchange.answer(jsonAnswer(200, line, ...fields));
        });
      });
    });

  const list = (exchange: Exchange): void =>
    exchange.answer(jsonAnswer(200, { sales: operator.sales().map(saleJson) }));

  return [
    { method: 'put', pattern: '/v1/sales/:sale', handle: put },
    { method: 'get', pattern: '/v1/sales/:sale', handle: read },
    { method: 'get', pattern: '/v1/sales', handle: list },
    { method: 'post', pattern: '/v1/sales/:sale/pause', handle: control((id) => operator.pauseSale(id)) },
    { method: 'post', pattern: '/v1/sales/:sale/resume', handle: control((id) => operator.resumeSale(id)) },
    { method: 'post', pattern: '/v1/sales/:sale/end', handle: control((id) => operator.endSale(id)) },
    { method: 'get', pattern: '/v1/sales/:sale/skus/:sku', handle: readSku },
    { method: 'post', pattern: '/v1/sales/:sale/skus/:sku/restock', handle: restock },
  ];
}

export function serviceRoutes(whyNotReady: () => string | undefined): Route[] {
  return [
    { method: 'get', pattern: '/healthz', handle: (exchange) => exchange.answer(up) },
    {
      method: 'get',
      pattern: '/readyz',
      handle: (exchange) => {
        const why = whyNotReady();
        if (why === undefined) exchange.answer(ready);
        else exchange.refuse(refuse('shard_recovering', why, 1));
      },
    },
  ];
}
