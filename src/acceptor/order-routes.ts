/** The buyers' routes: place, read, confirm, cancel and list orders. On the acceptor's thread. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { limits } from '../config.js';
import { Opcode, type Reply } from '../memory/records.js';
import type { CatalogueSku } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';
import { formatSentences, formats, isId } from '../sale/rules.js';
import { isOrderBody, orderBody } from '../sale/schema.js';
import { admit } from './admission.js';
import { type Answer, headOf, prepared, problemAnswer } from './answer.js';
import { type BodySink, Exchange, type ExchangeHost } from './exchange.js';
import type { ReplySink } from './in-flight.js';
import {
  notFoundIn,
  type OrderContext,
  orderNotFound,
  outcomeOfDispatch,
  receiptedOrderOf,
  refusalOf,
} from './order-answers.js';
import { askOrder, OrderDesk } from './order-desk.js';
import { OrderShapes } from './order-shapes.js';
import { OrderWriter } from './order-writer.js';
import {
  bodyIssues,
  idempotencyKeyOf,
  keyError,
  noBody,
  notJson,
  parseJson,
  queryOf,
  replayedField,
  saysJson,
} from './requests.js';
import type { Route, SelfHandling } from './router.js';
import { orderJson } from './views.js';

const okHead = headOf(200, 'application/json');
const replayedHead = headOf(200, 'application/json', replayedField);
/** By outcome: its refusal. Made once, because most answers of a sale are one of these. */
const refusals = Object.values(Outcome).map((outcome) =>
  prepared(problemAnswer(refusalOf(outcome, undefined, 0))),
);

/** What the orders of one server need. */
interface PlaceContext extends OrderContext {
  readonly writer: OrderWriter;
  readonly shapes: OrderShapes;
  /** Exchanges without a request: they take on the next ones, so that none has to be made for an order in a rush. */
  readonly idle: PlaceExchange[];
}

/** A buyer's order on its way: what the reply needs to become an answer. */
class PlaceExchange extends Exchange implements ReplySink, BodySink, SelfHandling {
  readonly #context: PlaceContext;
  #saleId = '';
  #key = '';
  #sku: CatalogueSku | undefined = undefined;
  #buyer = '';

  constructor(host: ExchangeHost, context: PlaceContext) {
    super(host);
    this.#context = context;
  }

  protected override ended(): void {
    // Idle, it must not keep a sale that is over.
    this.#sku = undefined;
    const { idle } = this.#context;
    if (idle.length < limits.idleExchangesMax) idle.push(this);
  }

  handle(req: HttpRequest): void {
    this.#saleId = req.getParameter(0) ?? '';
    this.#key = idempotencyKeyOf(req);
    if (!saysJson(req)) {
      this.answer(notJson);
      return;
    }
    const error = pathError(this.#saleId, this.#key);
    if (error === undefined) this.body(req, limits.orderBodyBytesMax, this);
    else this.invalid('The request is malformed.', [error], true);
  }

  recognise(bytes: Uint8Array): boolean {
    const { catalogue, shapes } = this.#context;
    if (!shapes.recognise(bytes)) return false;
    const sku = catalogue.sku(this.#saleId, shapes.sku);
    if (sku === undefined) return false;
    this.#place(sku, shapes.buyer, shapes.quantity);
    return true;
  }

  take(text: string, plain: boolean): void {
    const body = parseJson(text);
    const { catalogue, shapes } = this.#context;
    const sku = catalogue.sku(this.#saleId, skuOf(body) as string);
    if (!isOrderBody(body, { sku: sku !== undefined, plain })) {
      this.invalid('The order is malformed.', bodyIssues(orderBody, body));
      return;
    }
    if (sku === undefined) {
      this.refuse(notFoundIn(catalogue.get(this.#saleId)));
      return;
    }
    if (plain) shapes.learn(text, body);
    this.#place(sku, body.buyer, body.quantity ?? 1);
  }

  /** Decides at once what can be decided at once, and sends the rest to the owner of the SKU. */
  #place(sku: CatalogueSku, buyer: string, quantity: number): void {
    const { clock, dispatcher } = this.#context;
    const keyed = this.#key !== '';
    // A sale without an end that was open is open, whatever the time is by now.
    const nowMs = sku.sale.endsAtMs === Number.POSITIVE_INFINITY ? dispatcher.seenMs : dispatcher.nowMs;
    let outcome = admit(sku, this.#context, keyed, nowMs);
    // That time may be old: nobody is turned away before a start that has passed since.
    if (outcome === Outcome.notStarted) outcome = admit(sku, this.#context, keyed, clock());
    if (outcome !== Outcome.done) {
      this.answer(this.#refusal(outcome, sku));
      return;
    }
    this.#sku = sku;
    this.#buyer = buyer;
    const dispatched = dispatcher.place(sku, buyer, quantity, this.#key, this, 0);
    if (dispatched !== 'dispatched') this.answer(this.#refusal(outcomeOfDispatch(dispatched), sku));
  }

  #refusal(outcome: Outcome, sku: CatalogueSku): Answer {
    // The one refusal that says when to come back.
    return outcome === Outcome.notStarted
      ? problemAnswer(refusalOf(outcome, sku.sale, this.#context.clock()))
      : refusals[outcome]!;
  }

  settle(_token: number, reply: Reply): void {
    if (!this.open) return;
    const { outcome } = reply;
    if (outcome !== Outcome.done && outcome !== Outcome.replayed) {
      this.answer(this.#refusal(outcome, this.#sku!));
      return;
    }
    const { writer, receipts } = this.#context;
    if (receipts !== undefined) {
      this.#sendReceipted(reply);
      return;
    }
    const body = writer.body(reply, this.#sku!, this.#buyer);
    this.send(outcome === Outcome.done ? writer.createdHead : replayedHead, body);
  }

  /** In plain words: beside a signature it does not show what the writer would save. */
  #sendReceipted(reply: Reply): void {
    const order = receiptedOrderOf(this.#context, reply, this.#buyer);
    const head =
      reply.outcome === Outcome.done
        ? headOf(201, 'application/json', ['Location', `/v1/orders/${order.orderId}`])
        : replayedHead;
    this.send(head, orderJson(order));
  }
}

export function orderRoutes(host: ExchangeHost, context: OrderContext): Route[] {
  const desk = new OrderDesk(context);
  const placing: PlaceContext = {
    ...context,
    writer: new OrderWriter(context.ids),
    shapes: new OrderShapes(),
    idle: [],
  };
  const open = (res: HttpResponse): PlaceExchange => {
    const exchange = placing.idle.pop() ?? new PlaceExchange(host, placing);
    exchange.begin(res);
    return exchange;
  };

  const ask =
    (opcode: typeof Opcode.confirm | typeof Opcode.cancel | typeof Opcode.read) =>
    (exchange: Exchange, req: HttpRequest): void => {
      const address = context.ids.parse(req.getParameter(0) ?? '');
      const run = () => {
        if (address === undefined) {
          exchange.refuse(orderNotFound);
          return;
        }
        askOrder(context, opcode, address, (outcome) => {
          if (outcome.ok) exchange.send(okHead, orderJson(outcome.order));
          else exchange.refuse(outcome);
        });
      };
      if (opcode === Opcode.read) run();
      else noBody(exchange, req, run);
    };

  const list = (exchange: Exchange, req: HttpRequest): void => {
    const saleId = req.getParameter(0) ?? '';
    const query = queryOf(req);
    if (query === undefined) {
      const message = 'must name each parameter once, in percent-encoded UTF-8';
      exchange.invalid('The query is malformed.', [{ path: '', message }]);
      return;
    }
    const buyer = query.get('buyer');
    const unknown = [...query.keys()].filter((name) => name !== 'buyer');
    const errors = unknown.map((name) => ({ path: `/${name}`, message: 'is not a known parameter' }));
    if (buyer === undefined) errors.push({ path: '/buyer', message: 'is required' });
    if (!isId(saleId)) errors.push({ path: '/sale', message: formatSentences[formats.id]! });
    if (buyer === undefined || errors.length > 0) {
      exchange.invalid('The request is malformed.', errors);
      return;
    }
    desk.list(saleId, buyer).then(
      (page) => {
        if (!page.ok) {
          exchange.refuse(page);
          return;
        }
        const orders = page.orders.map(orderJson).join(',');
        exchange.send(okHead, `{"orders":[${orders}],"truncated":${page.truncated}}`);
      },
      (error: unknown) => exchange.fail(error),
    );
  };

  return [
    { method: 'post', pattern: '/v1/sales/:sale/orders', open },
    { method: 'get', pattern: '/v1/sales/:sale/orders', handle: list },
    { method: 'get', pattern: '/v1/orders/:order', handle: ask(Opcode.read) },
    { method: 'post', pattern: '/v1/orders/:order/confirm', handle: ask(Opcode.confirm) },
    { method: 'post', pattern: '/v1/orders/:order/cancel', handle: ask(Opcode.cancel) },
  ];
}

/** What a body says is the SKU, if it says so. */
function skuOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null ? (body as { sku?: unknown }).sku : undefined;
}

function pathError(saleId: string, key: string): { path: string; message: string } | undefined {
  if (!isId(saleId)) return { path: '/sale', message: formatSentences[formats.id]! };
  return keyError(key);
}
