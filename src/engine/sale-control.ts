/**
 * What operators do with sales: create, replace, pause, resume, end, restock. One change at a time, first into the
 * catalogue on disk, then to the shards; a start after a crash sends every definition again, so a change that had
 * reached the disk is finished then. Runs on the thread that started the engine.
 */

import type { Dispatched, Dispatcher, Waiter } from '../acceptor/dispatcher.js';
import type { ReplySink } from '../acceptor/in-flight.js';
import type { RestockResult, SaleOperator, SaleResult, SaleView, SkuView } from '../acceptor/operator.js';
import { outcomeOfDispatch, refusalOf, saleNotFound, skuNotFound } from '../acceptor/order-answers.js';
import type { Clock } from '../clock.js';
import { limits } from '../config.js';
import { invalid, LeiniaoError, type Refusal, refuse } from '../errors.js';
import { Opcode } from '../memory/records.js';
import type { StockTable } from '../memory/stock-table.js';
import type { Catalogue, CatalogueSale, CatalogueSku, SaleRecord } from '../sale/catalogue.js';
import { build, recordOf } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';
import { Phase, phaseAt, phaseName, SaleState } from '../sale/phase.js';
import { formatSentences, isId, isPrintable } from '../sale/rules.js';
import { restockBody, type SaleDefinition } from '../sale/schema.js';
import { issuesOf } from '../validation.js';

/** Where sale definitions are kept. */
export interface SaleRecords {
  put(record: SaleRecord): Promise<void>;
}

type Send = (sink: ReplySink, token: number) => Dispatched;

export class SaleControl implements SaleOperator {
  readonly #catalogue: Catalogue;
  readonly #dispatcher: Dispatcher;
  readonly #stock: StockTable;
  readonly #records: SaleRecords | undefined;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown, what: string) => void;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /** @param options.records undefined when nothing is stored */
  constructor(options: {
    catalogue: Catalogue;
    dispatcher: Dispatcher;
    stock: StockTable;
    records: SaleRecords | undefined;
    clock: Clock;
    /** Told what failed, where whoever asked is told less or has gone. */
    onFailure: (error: unknown, what: string) => void;
  }) {
    this.#catalogue = options.catalogue;
    this.#dispatcher = options.dispatcher;
    this.#stock = options.stock;
    this.#records = options.records;
    this.#clock = options.clock;
    this.#onFailure = options.onFailure;
  }

  /** Takes in what is stored and sends it to the shards, which keep what they know already. */
  async restore(records: readonly SaleRecord[]): Promise<void> {
    for (const record of records) {
      const sale = takenIn(this.#catalogue, record);
      const failed = await this.#tellShards(sale);
      if (failed === undefined) continue;
      throw new LeiniaoError('shard_failed', `sale ${sale.id} could not be restored: ${failed.detail}`);
    }
  }

  /**
   * Sends a shard that was started again what its sales are by now: a change may have met it while it was gone. Returns
   * the sales it could not be told of; whatever is asked of them next tells it.
   */
  async retell(shard: number): Promise<string[]> {
    const untold: string[] = [];
    const ids = Array.from(this.#catalogue.sales(), ({ id }) => id);
    for (const id of ids) {
      // In its turn, and as the sale is by then: a replacement may have been waiting before it.
      const failed = await this.#inTurn(() => this.#tellShards(this.#catalogue.get(id)!, shard));
      if (failed !== undefined) untold.push(id);
    }
    return untold;
  }

  putSale(id: string, definition: SaleDefinition): Promise<SaleResult | Refusal> {
    return this.#oneAtATime(() => this.#putSale(id, definition));
  }

  async #putSale(id: string, definition: SaleDefinition): Promise<SaleResult | Refusal> {
    if (!isId(id)) return malformed('/sale', formatSentences['leiniao-id']!);
    let own: SaleDefinition;
    try {
      // Whoever made it may use his object for something else, and it may be no plain one.
      own = structuredClone(definition);
    } catch {
      return malformed('', 'must be a plain object');
    }
    const plan = this.#catalogue.plan(id, own, this.#clock());
    if ('ok' in plan) return plan;
    if (plan.kind === 'unchanged') {
      // The call before this one may have failed half-way; shards keep what they know already.
      const failed = await this.#tellShards(plan.sale);
      return failed ?? { ok: true, created: false, sale: this.#view(plan.sale) };
    }
    const { sale, before, removed } = plan;
    if (before !== undefined) {
      const frozen = await this.#freeze(before);
      if (frozen !== Outcome.done) return refusalOf(frozen, before, this.#clock());
    }
    // From here on the change will happen: if the process dies now, the next start sends it to the shards.
    const unstored = await this.#store(recordOf(sale));
    if (unstored !== undefined) {
      if (before !== undefined) await this.#unfreeze(before);
      return unstored;
    }
    this.#catalogue.take(sale);
    // Where this fails nothing is lost: a SKU without orders gives way to whatever gets its row next.
    await this.#toAll(removed, (sku, sink, token) => this.#dispatcher.remove(sku, sink, token));
    const failed = await this.#tellShards(sale);
    return failed ?? { ok: true, created: before === undefined, sale: this.#view(sale) };
  }

  /** Puts a sale on disk. A disk that is full is the operator's to mend, and nothing has changed then. */
  async #store(record: SaleRecord): Promise<Refusal | undefined> {
    try {
      await this.#records?.put(record);
      return undefined;
    } catch (error) {
      this.#onFailure(error, 'a change to a sale could not be stored');
      return refuse('overloaded', 'The change could not be stored. The log says why.', 10);
    }
  }

  /**
   * Sends a sale's definition and state to its owners, or to one of them; they keep what they know already. An owner that
   * is gone keeps none of the others waiting. Returns what went wrong, if anything did; sending it again then finishes it.
   */
  async #tellShards(sale: CatalogueSale, shard?: number): Promise<Refusal | undefined> {
    const defined = await this.#defineAll(sale, shard);
    const controlled = await this.#controlAll(sale, shard);
    return this.#failure([...defined, ...controlled], sale);
  }

  #failure(outcomes: readonly Outcome[], sale: CatalogueSale): Refusal | undefined {
    const failed = outcomes.find((outcome) => !carriedOut(outcome));
    return failed === undefined ? undefined : refusalOf(failed, sale, this.#clock());
  }

  /** Keeps a sale from opening while it is being replaced. `Outcome.saleOpen` when it has opened already. */
  async #freeze(sale: CatalogueSale): Promise<Outcome> {
    sale.frozen = true;
    const outcomes = await this.#toOwners(sale, (shard, sink, token) =>
      this.#dispatcher.sale(Opcode.freeze, sale, shard, sale.state, sink, token),
    );
    const failed = outcomes.find((outcome) => outcome !== Outcome.done);
    if (failed !== undefined) await this.#unfreeze(sale);
    return failed ?? Outcome.done;
  }

  async #unfreeze(sale: CatalogueSale): Promise<void> {
    const outcomes = await this.#toOwners(sale, (shard, sink, token) =>
      this.#dispatcher.sale(Opcode.unfreeze, sale, shard, sale.state, sink, token),
    );
    sale.frozen = false;
    // A shard that is gone comes back without it, and one that answers late has done it by then. But a shard that was
    // never asked would hold the sale back once it has opened.
    if (outcomes.includes(Outcome.overloaded)) this.#unfreezeLater(sale);
  }

  #unfreezeLater(sale: CatalogueSale): void {
    setTimeout(() => {
      this.#inTurn(() => this.#unfreeze(sale)).catch((error: unknown) => {
        this.#onFailure(error, `sale ${sale.id} could not be let go on after a replacement that failed`);
      });
    }, limits.unfreezeRetryMs).unref();
  }

  pauseSale(id: string): Promise<SaleResult | Refusal> {
    return this.#oneAtATime(() => this.#setState(id, SaleState.paused));
  }

  resumeSale(id: string): Promise<SaleResult | Refusal> {
    return this.#oneAtATime(() => this.#setState(id, SaleState.running));
  }

  endSale(id: string): Promise<SaleResult | Refusal> {
    return this.#oneAtATime(() => this.#setState(id, SaleState.ended));
  }

  async #setState(id: string, state: SaleState): Promise<SaleResult | Refusal> {
    const sale = this.#catalogue.get(id);
    if (sale === undefined) return saleNotFound;
    const nowMs = this.#clock();
    const over = phaseAt(sale, sale.state, nowMs) === Phase.ended;
    if (over && state !== SaleState.ended) return refusalOf(Outcome.ended, sale, nowMs);
    if (sale.state !== state && !over) {
      const unstored = await this.#store({ ...recordOf(sale), state });
      if (unstored !== undefined) return unstored;
      sale.state = state;
    }
    const failed = await this.#tellShards(sale);
    return failed ?? { ok: true, created: false, sale: this.#view(sale) };
  }

  restock(
    saleId: string,
    skuId: string,
    quantity: number,
    idempotencyKey?: string,
  ): Promise<RestockResult | Refusal> {
    // In its turn, so that no replacement of the sale overtakes it.
    return this.#oneAtATime(
      () => this.#restock(saleId, skuId, quantity, idempotencyKey),
      limits.restocksPendingMax,
    );
  }

  async #restock(
    saleId: string,
    skuId: string,
    quantity: number,
    idempotencyKey?: string,
  ): Promise<RestockResult | Refusal> {
    const body = { quantity };
    if (!restockBody.Check(body)) {
      const errors = issuesOf(restockBody, body, formatSentences);
      return invalid('The restock is malformed.', errors);
    }
    if (quantity === 0) return malformed('/quantity', 'must not be 0');
    if (idempotencyKey !== undefined && !isPrintable(idempotencyKey, limits.idempotencyKeyBytesMax)) {
      return malformed('/idempotencyKey', formatSentences['leiniao-text']!);
    }
    const sale = this.#catalogue.get(saleId);
    if (sale === undefined) return saleNotFound;
    const sku = sale.skuById.get(skuId);
    if (sku === undefined) return skuNotFound;
    const send: Send = (sink, token) =>
      this.#dispatcher.restock(sku, quantity, idempotencyKey ?? '', sink, token);
    let outcome = await this.#send(send);
    if (outcome === Outcome.staleDefinition) {
      const untold = await this.#tellShards(sale, sku.shard);
      if (untold !== undefined) return untold;
      outcome = await this.#send(send);
    }
    if (outcome === Outcome.invalidRequest) {
      return malformed('/quantity', `must keep the total at ${limits.stockMax} units or fewer`);
    }
    if (!carriedOut(outcome)) return refusalOf(outcome, sale, this.#clock());
    return { ok: true, replayed: outcome === Outcome.replayed, sku: this.#skuView(sku) };
  }

  sale(id: string): SaleView | undefined {
    const sale = this.#catalogue.get(id);
    return sale === undefined ? undefined : this.#view(sale);
  }

  sales(): SaleView[] {
    return Array.from(this.#catalogue.sales(), (sale) => this.#view(sale));
  }

  sku(saleId: string, skuId: string): SkuView | undefined {
    const sku = this.#catalogue.get(saleId)?.skuById.get(skuId);
    return sku === undefined ? undefined : this.#skuView(sku);
  }

  #view(sale: CatalogueSale): SaleView {
    const phase = phaseAt(sale, sale.state, this.#clock());
    return {
      id: sale.id,
      name: sale.definition.name,
      phase: phaseName(phase),
      ...(phase === Phase.scheduled && sale.state === SaleState.paused ? { paused: true } : {}),
      startsAtMs: sale.startsAtMs,
      endsAtMs: sale.endsAtMs === Number.POSITIVE_INFINITY ? null : sale.endsAtMs,
      holdSeconds: sale.holdSeconds,
      skus: sale.skus.map((sku) => this.#skuView(sku)),
    };
  }

  #skuView(sku: CatalogueSku): SkuView {
    const stock = this.#stock.read(sku.row);
    return { sku: sku.sku, ...stock, limitPerBuyer: sku.limitPerBuyer ?? null };
  }

  #defineAll(sale: CatalogueSale, shard?: number): Promise<Outcome[]> {
    const spread = new Set(sale.skus.map((sku) => sku.shard)).size > 1;
    const skus = shard === undefined ? sale.skus : sale.skus.filter((sku) => sku.shard === shard);
    return this.#toAll(skus, (sku, sink, token) => this.#dispatcher.define(sku, spread, sink, token));
  }

  #controlAll(sale: CatalogueSale, shard?: number): Promise<Outcome[]> {
    return this.#toOwners(
      sale,
      (owner, sink, token) => this.#dispatcher.sale(Opcode.control, sale, owner, sale.state, sink, token),
      shard,
    );
  }

  #toOwners(
    sale: CatalogueSale,
    send: (shard: number, sink: ReplySink, token: number) => Dispatched,
    only?: number,
  ): Promise<Outcome[]> {
    const owners = [...new Set(sale.skus.map((sku) => sku.shard))];
    return this.#toAll(only === undefined ? owners : owners.filter((owner) => owner === only), send);
  }

  /** Sends one request per item and collects the outcomes, a window at a time: a sale may have 1,024 SKUs. */
  async #toAll<T>(
    items: readonly T[],
    send: (item: T, sink: ReplySink, token: number) => Dispatched,
  ): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let i = 0; i < items.length; i += limits.controlWindow) {
      const window = items.slice(i, i + limits.controlWindow);
      outcomes.push(
        ...(await Promise.all(window.map((item) => this.#send((sink, token) => send(item, sink, token))))),
      );
    }
    return outcomes;
  }

  /** Sends one command. Where the in-flight table is full it waits for room: a change must not stop half-way. */
  #send(send: Send): Promise<Outcome> {
    return new Promise((resolve) => {
      const sink: ReplySink = { settle: (_, reply) => resolve(reply.outcome) };
      const attempt: Waiter = {
        resume: () => {
          const dispatched = send(sink, 0);
          if (dispatched === 'dispatched') return;
          if (dispatched === 'overloaded' && this.#dispatcher.awaitRoom(attempt)) return;
          resolve(outcomeOfDispatch(dispatched));
        },
      };
      attempt.resume();
    });
  }

  /** Resolves when no change to a sale is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  async #oneAtATime<T>(
    change: () => Promise<T | Refusal>,
    pendingMax: number = limits.controlPendingMax,
  ): Promise<T | Refusal> {
    if (this.#pending >= pendingMax) {
      return refuse('overloaded', 'Too many changes to sales are waiting.', 1);
    }
    this.#pending += 1;
    try {
      return await this.#inTurn(change);
    } finally {
      this.#pending -= 1;
    }
  }

  /** Runs a change once those before it are through. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** A stored sale, in the catalogue. */
function takenIn(catalogue: Catalogue, record: SaleRecord): CatalogueSale {
  try {
    const sale = build(record);
    catalogue.take(sale);
    return sale;
  } catch (cause) {
    const message = `the stored sale ${record.id} contradicts the others: ${(cause as Error).message}`;
    throw new LeiniaoError('data_dir_damaged', message, { cause });
  }
}

function carriedOut(outcome: Outcome): boolean {
  return outcome === Outcome.done || outcome === Outcome.replayed;
}

function malformed(path: string, message: string): Refusal {
  return invalid('The request is malformed.', [{ path, message }]);
}
