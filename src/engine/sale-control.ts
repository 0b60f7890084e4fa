/**
 * What operators do with sales: create, replace, pause, resume, end, restock. One change at a time, first into the
 * catalogue on disk, then to the shards; a start after a crash sends every definition again, so a change that had
 * reached the disk is finished then. Runs on the thread that started the engine.
 */

import type { Dispatcher } from '../acceptor/dispatcher.js';
import { type EventLoop, threadEventLoop } from '../acceptor/event-loop.js';
import type { RestockResult, SaleOperator, SaleResult, SaleView, SkuView } from '../acceptor/operator.js';
import { notFoundIn, refusalOf, saleNotFound } from '../acceptor/order-answers.js';
import type { Clock } from '../clock.js';
import { limits } from '../config.js';
import { invalid, LeiniaoError, type Refusal, refuse } from '../errors.js';
import type { StockTable } from '../memory/stock-table.js';
import type { Catalogue, CatalogueSale, CatalogueSku, SaleRecord } from '../sale/catalogue.js';
import { build, ownersOf, recordOf } from '../sale/catalogue.js';
import { Outcome } from '../sale/outcome.js';
import { Phase, phaseAt, phaseName, SaleState } from '../sale/phase.js';
import { formatSentences, isId, isPrintable } from '../sale/rules.js';
import { restockBody, type SaleDefinition } from '../sale/schema.js';
import { issuesOf } from '../validation.js';
import { SaleChanges, type SaleRecords } from './sale-changes.js';
import { carriedOut, SaleDelivery } from './sale-delivery.js';

export class SaleControl implements SaleOperator {
  readonly #catalogue: Catalogue;
  readonly #delivery: SaleDelivery;
  readonly #stock: StockTable;
  readonly #changes: SaleChanges;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown, what: string) => void;
  readonly #loop: EventLoop;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #closed = false;

  /** @param options.records undefined when nothing is stored */
  constructor(options: {
    catalogue: Catalogue;
    dispatcher: Dispatcher;
    stock: StockTable;
    records: SaleRecords | undefined;
    clock: Clock;
    /** Told what failed, where whoever asked is told less or has gone. */
    onFailure: (error: unknown, what: string) => void;
    eventLoop?: EventLoop;
  }) {
    this.#catalogue = options.catalogue;
    this.#delivery = new SaleDelivery(options.dispatcher);
    this.#stock = options.stock;
    this.#changes = new SaleChanges({
      records: options.records,
      onFailure: options.onFailure,
      later: (delayMs, failure, action) => this.#later(delayMs, failure, action),
    });
    this.#clock = options.clock;
    this.#onFailure = options.onFailure;
    this.#loop = options.eventLoop ?? threadEventLoop;
  }

  /**
   * Takes in what is stored. The shards need not be open yet.
   *
   * @param known the newest revision that a shard has in its store
   * @throws LeiniaoError `data_dir_damaged` where the stored sales contradict one another or the shards
   */
  takeIn(records: readonly SaleRecord[], known: number): void {
    const newest = records.reduce((most, { revision }) => Math.max(most, revision), 0);
    if (known > newest) {
      // The catalogue is always written first. Here the next sale would get the revision, and the orders, of a lost one.
      const message = `the shards know of a change to sales that the catalogue lacks (revision ${known}, its newest is ${newest}): the folder is put together from copies of different moments`;
      throw new LeiniaoError('data_dir_damaged', message);
    }
    for (const record of records) takeIn(this.#catalogue, record);
  }

  /**
   * Sends what was taken in to the shards, which keep what they know already, and has them get memory ready.
   *
   * @throws LeiniaoError `shard_failed`
   */
  async restore(): Promise<void> {
    const owners = new Set<number>();
    for (const sale of this.#catalogue.sales()) {
      const failed = await this.#tellShards(sale);
      if (failed !== undefined) {
        throw new LeiniaoError('shard_failed', `sale ${sale.id} could not be restored: ${failed.detail}`);
      }
      for (const owner of ownersOf(sale)) owners.add(owner);
    }
    await this.#delivery.prepare(owners);
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
      const failed = await this.#inTurn(async () => {
        const refusal = await this.#tellShards(this.#catalogue.get(id)!, shard);
        if (id === ids.at(-1)) await this.#delivery.prepare([shard]);
        return refusal;
      });
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
      // A hole is passed over by the schema; an undefined SKU is none.
      if (Array.isArray(own?.skus)) own.skus = Array.from(own.skus);
    } catch {
      return malformed('', 'must be a plain object');
    }
    const plan = this.#catalogue.plan(id, own, this.#clock());
    if ('ok' in plan) return plan;
    if (plan.kind === 'unchanged') {
      // The call before this one may have failed half-way; shards keep what they know already.
      const failed = await this.#tellShards(plan.sale);
      await this.#delivery.prepare(ownersOf(plan.sale));
      return failed ?? { ok: true, created: false, sale: this.#view(plan.sale) };
    }
    const { sale, before, removed } = plan;
    if (before !== undefined) {
      const frozen = await this.#freeze(before);
      if (frozen !== Outcome.done) return refusalOf(frozen, before, this.#clock());
    }
    // Once it is stored the change will happen: if the process dies then, the next start sends it to the shards.
    return await this.#changes.store(recordOf(sale), {
      goOn: async () => {
        this.#catalogue.take(sale);
        // Where this fails nothing is lost: a SKU without orders gives way to whatever gets its row next.
        await this.#delivery.remove(removed);
        const failed = await this.#tellShards(sale);
        await this.#delivery.prepare(ownersOf(sale));
        return failed ?? { ok: true, created: before === undefined, sale: this.#view(sale) };
      },
      giveUp: async () => {
        if (before !== undefined) await this.#unfreeze(before);
      },
    });
  }

  /** Does something in its turn, after a while, unless the engine has closed by then. */
  #later(delayMs: number, failure: string, action: () => Promise<void>): void {
    this.#loop.later(() => {
      if (this.#closed) return;
      this.#inTurn(action).catch((error: unknown) => this.#onFailure(error, failure));
    }, delayMs);
  }

  /** Returns what went wrong, if anything did; telling them again then finishes it. */
  async #tellShards(sale: CatalogueSale, shard?: number): Promise<Refusal | undefined> {
    const failed = await this.#delivery.tell(sale, shard);
    return failed === undefined ? undefined : refusalOf(failed, sale, this.#clock());
  }

  /** Keeps a sale from opening while it is being replaced. `Outcome.saleOpen` when it has opened already. */
  async #freeze(sale: CatalogueSale): Promise<Outcome> {
    sale.frozen = true;
    const outcomes = await this.#delivery.freeze(sale);
    const failed = outcomes.find((outcome) => outcome !== Outcome.done);
    if (failed !== undefined) await this.#unfreeze(sale);
    return failed ?? Outcome.done;
  }

  async #unfreeze(sale: CatalogueSale): Promise<void> {
    const outcomes = await this.#delivery.unfreeze(sale);
    sale.frozen = false;
    // A shard that is gone comes back without it, and one that answers late has done it by then. But a shard that was
    // never asked would hold the sale back once it has opened.
    if (outcomes.includes(Outcome.overloaded)) this.#unfreezeLater(sale);
  }

  #unfreezeLater(sale: CatalogueSale): void {
    const failure = 'a sale could not be let go on after a replacement that failed';
    this.#later(limits.unfreezeRetryMs, failure, async () => {
      // The next replacement of this very sale has to keep it frozen.
      if (this.#changes.isUnsettled(sale.id)) this.#unfreezeLater(sale);
      else await this.#unfreeze(sale);
    });
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
    const tell = async (): Promise<SaleResult | Refusal> => {
      const failed = await this.#tellShards(sale);
      return failed ?? { ok: true, created: false, sale: this.#view(sale) };
    };
    if (sale.state === state || over) return await tell();
    return await this.#changes.store(
      { ...recordOf(sale), state },
      {
        goOn: () => {
          sale.state = state;
          return tell();
        },
        giveUp: async () => undefined,
      },
    );
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
    const sku = sale?.skuById.get(skuId);
    if (sale === undefined || sku === undefined) return notFoundIn(sale);
    const send = () => this.#delivery.restock(sku, quantity, idempotencyKey ?? '');
    let outcome = await send();
    if (outcome === Outcome.staleDefinition) {
      const untold = await this.#tellShards(sale, sku.shard);
      if (untold !== undefined) return untold;
      outcome = await send();
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
    const sku = this.#catalogue.sku(saleId, skuId);
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

  /** Resolves when no change to a sale is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** Ends what would be tried again, and resolves when no change is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
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
      return await this.#inTurn(async () => (await this.#changes.settle()) ?? (await change()));
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
function takeIn(catalogue: Catalogue, record: SaleRecord): void {
  try {
    catalogue.take(build(record));
  } catch (cause) {
    const message = `the stored sale ${record.id} contradicts the others, or the number of shards: ${(cause as Error).message}`;
    throw new LeiniaoError('data_dir_damaged', message, { cause });
  }
}

function malformed(path: string, message: string): Refusal {
  return invalid('The request is malformed.', [{ path, message }]);
}
