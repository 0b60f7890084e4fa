/**
 * What a shard should do, written for obviousness: plain Maps and lists, no hashing, no rings, nothing kept that can
 * be counted again. It shares no code with the shard but names and numbers of the contract.
 */
import { Outcome } from '../../dist/sale/outcome.js';
import { SaleState } from '../../dist/sale/phase.js';
import type { Ask, Control, Define, NextOfBuyer, Place, Remove, Request, Restock } from './requests.js';

export interface ModelSale {
  readonly number: number;
  revision: number;
  startsAtMs: number;
  endsAtMs: number;
  holdMs: number;
  state: SaleState;
  spread: boolean;
  frozen: boolean;
}

export interface ModelSku {
  readonly row: number;
  readonly sale: ModelSale;
  readonly revision: number;
  readonly limit: number;
  /** Units declared, with every restock and withdrawal since. */
  total: number;
}

export type ModelStatus = 'held' | 'confirmed' | 'cancelled' | 'expired';

export interface ModelOrder {
  readonly number: number;
  readonly sale: number;
  readonly row: number;
  readonly buyer: string;
  readonly quantity: number;
  readonly sequence: number;
  readonly createdAtMs: number;
  /** `Infinity` for an order that was born confirmed. */
  readonly expiresAtMs: number;
  readonly durability: number;
  status: ModelStatus;
  /** Whether it was confirmed after it had expired. */
  reacquired: boolean;
}

export interface Units {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

/** What the shard should answer: an outcome, and the order as it then is where the answer is about one. */
export interface Answer {
  readonly outcome: Outcome;
  readonly order?: ModelOrder;
}

type KeyUse =
  | { readonly kind: 'order'; readonly number: number }
  | { readonly kind: 'restock'; readonly row: number; readonly revision: number; readonly quantity: number };

/** A key's full name. Restocks have keys of their own, beside those of all buyers. */
export const keyName = (sale: number, buyer: string | undefined, key: string): string =>
  JSON.stringify([sale, buyer ?? null, key]);

/** A shard that is gone has left its table as it was; one that is rebuilding may not have put everything in yet. */
export type ForeignState = 'open' | 'gone' | 'rebuilding';

export class ShardModel {
  readonly sales = new Map<number, ModelSale>();
  readonly skus = new Map<number, ModelSku>();
  readonly orders: ModelOrder[] = [];
  readonly keys = new Map<string, KeyUse>();
  /** What the other shard's table has, and how it is with that shard. */
  readonly foreignKeys = new Set<string>();
  foreignState: ForeignState = 'open';
  durability = 0;
  readonly ordersMax: number;

  constructor(ordersMax: number) {
    this.ordersMax = ordersMax;
  }

  /** Counted from the orders. */
  units(row: number): Units {
    const { total } = this.skus.get(row)!;
    const sum = (status: ModelStatus) =>
      this.orders
        .filter((order) => order.row === row && order.status === status)
        .reduce((units, order) => units + order.quantity, 0);
    const held = sum('held');
    const confirmed = sum('confirmed');
    return { total, available: total - held - confirmed, held, confirmed };
  }

  /** Units that count towards a purchase limit. */
  purchased(sale: number, buyer: string, row: number): number {
    return this.ordersOf(sale, buyer)
      .filter((order) => order.row === row && (order.status === 'held' || order.status === 'confirmed'))
      .reduce((units, order) => units + order.quantity, 0);
  }

  ordersOf(sale: number, buyer: string): ModelOrder[] {
    return this.orders.filter((order) => order.sale === sale && order.buyer === buyer);
  }

  sequence(row: number): number {
    return this.orders.filter((order) => order.row === row).length;
  }

  /** Ends every hold whose deadline has passed. */
  expireAll(nowMs: number): void {
    for (const order of this.orders) this.#expireIfDue(order, nowMs);
  }

  #expireIfDue(order: ModelOrder, nowMs: number): void {
    if (order.status === 'held' && nowMs >= order.expiresAtMs) order.status = 'expired';
  }

  execute(request: Request, nowMs: number): Answer {
    switch (request.op) {
      case 'place':
        return this.#place(request, nowMs);
      case 'confirm':
      case 'cancel':
      case 'read':
        return this.#ask(request, nowMs);
      case 'nextOfBuyer':
        return this.#nextOfBuyer(request);
      case 'restock':
        return this.#restock(request, nowMs);
      case 'define':
        return this.#define(request);
      case 'remove':
        return this.#remove(request);
      case 'control':
        return this.#control(request);
      case 'freeze':
        return this.#freeze(request.sale, nowMs);
      case 'unfreeze': {
        const sale = this.sales.get(request.sale);
        if (sale !== undefined) sale.frozen = false;
        return { outcome: Outcome.done };
      }
      case 'prepare':
        return { outcome: Outcome.done };
    }
  }

  #place({ row, revision, quantity, buyer, key }: Place, nowMs: number): Answer {
    const sku = this.skus.get(row);
    if (sku === undefined) return { outcome: Outcome.staleDefinition };
    const { sale } = sku;
    const name = keyName(sale.number, buyer, key);
    const used = key === '' ? undefined : this.keys.get(name);
    if (used?.kind === 'order') {
      const order = this.orders[used.number]!;
      const same = order.row === row && order.quantity === quantity;
      return same ? { outcome: Outcome.replayed, order } : { outcome: Outcome.idempotencyConflict };
    }
    if (key !== '') {
      const refusal = this.#claim(sale, name);
      if (refusal !== undefined) return { outcome: refusal };
    }
    if (revision > sku.revision) return { outcome: Outcome.staleDefinition };
    const current = revision === sku.revision && revision === sale.revision;
    if (!current || sale.frozen) return { outcome: Outcome.notStarted };
    if (sale.state === SaleState.ended || nowMs >= sale.endsAtMs) return { outcome: Outcome.ended };
    if (nowMs < sale.startsAtMs) return { outcome: Outcome.notStarted };
    if (sale.state === SaleState.paused) return { outcome: Outcome.paused };
    if (sku.limit > 0 && this.purchased(sale.number, buyer, row) + quantity > sku.limit) {
      return { outcome: Outcome.limitReached };
    }
    const { available } = this.units(row);
    if (available === 0) return { outcome: Outcome.soldOut };
    if (available < quantity) return { outcome: Outcome.insufficientStock };
    if (this.orders.length === this.ordersMax) return { outcome: Outcome.overloaded };
    const order: ModelOrder = {
      number: this.orders.length,
      sale: sale.number,
      row,
      buyer,
      quantity,
      sequence: this.sequence(row) + 1,
      createdAtMs: nowMs,
      expiresAtMs: sale.holdMs === 0 ? Number.POSITIVE_INFINITY : nowMs + sale.holdMs,
      durability: this.durability,
      status: sale.holdMs === 0 ? 'confirmed' : 'held',
      reacquired: false,
    };
    this.orders.push(order);
    if (key !== '') this.keys.set(name, { kind: 'order', number: order.number });
    return { outcome: Outcome.done, order };
  }

  /** Why a key cannot be used, where another shard may have it. */
  #claim(sale: ModelSale, name: string): Outcome | undefined {
    if (!sale.spread) return undefined;
    if (this.foreignState === 'rebuilding') return Outcome.shardRecovering;
    if (!this.foreignKeys.has(name)) return undefined;
    return this.foreignState === 'open' ? Outcome.idempotencyConflict : Outcome.shardRecovering;
  }

  #ask({ op, number }: Ask, nowMs: number): Answer {
    const order = this.orders[number];
    if (order === undefined) return { outcome: Outcome.orderNotFound };
    if (op === 'read') return { outcome: Outcome.done, order };
    this.#expireIfDue(order, nowMs);
    const wanted = op === 'confirm' ? 'confirmed' : 'cancelled';
    switch (order.status) {
      case 'held':
        order.status = wanted;
        return { outcome: Outcome.done, order };
      case wanted:
        return { outcome: Outcome.replayed, order };
      case 'confirmed':
        return { outcome: Outcome.orderConfirmed, order };
      case 'cancelled':
        return { outcome: Outcome.orderCancelled, order };
      case 'expired':
        return op === 'confirm' ? this.#confirmLate(order) : { outcome: Outcome.orderExpired, order };
      default:
        throw new Error(order.status);
    }
  }

  #confirmLate(order: ModelOrder): Answer {
    const { limit } = this.skus.get(order.row)!;
    const tooMany = limit > 0 && this.purchased(order.sale, order.buyer, order.row) + order.quantity > limit;
    if (tooMany || this.units(order.row).available < order.quantity) {
      return { outcome: Outcome.expiredForGood, order };
    }
    order.status = 'confirmed';
    order.reacquired = true;
    return { outcome: Outcome.done, order };
  }

  #nextOfBuyer({ sale, buyer, after }: NextOfBuyer): Answer {
    const order = this.ordersOf(sale, buyer).find(({ number }) => number > after);
    return order === undefined ? { outcome: Outcome.none } : { outcome: Outcome.done, order };
  }

  #restock({ row, revision, quantity, key }: Restock, nowMs: number): Answer {
    const sku = this.skus.get(row);
    if (sku === undefined || revision !== sku.revision) return { outcome: Outcome.staleDefinition };
    const { sale } = sku;
    const name = keyName(sale.number, undefined, key);
    const used = key === '' ? undefined : this.keys.get(name);
    if (used?.kind === 'restock') {
      const same = used.row === row && used.revision === sku.revision && used.quantity === quantity;
      return { outcome: same ? Outcome.replayed : Outcome.idempotencyConflict };
    }
    if (sale.state === SaleState.ended || nowMs >= sale.endsAtMs) return { outcome: Outcome.ended };
    if (this.units(row).available + quantity < 0) return { outcome: Outcome.insufficientStock };
    if (sku.total + quantity > 2_000_000_000) return { outcome: Outcome.invalidRequest };
    if (key !== '') {
      const refusal = this.#claim(sale, name);
      if (refusal !== undefined) return { outcome: refusal };
      this.keys.set(name, { kind: 'restock', row, revision: sku.revision, quantity });
    }
    sku.total += quantity;
    return { outcome: Outcome.done };
  }

  #define(given: Define): Answer {
    const before = this.skus.get(given.row);
    if (before?.sale.number === given.sale && before.revision === given.revision) {
      return { outcome: Outcome.replayed };
    }
    const sale: ModelSale = this.sales.get(given.sale) ?? {
      number: given.sale,
      revision: 0,
      startsAtMs: 0,
      endsAtMs: 0,
      holdMs: 0,
      state: SaleState.running,
      spread: false,
      frozen: false,
    };
    sale.revision = given.revision;
    sale.startsAtMs = given.startsAtMs;
    sale.endsAtMs = given.endsAtMs;
    sale.holdMs = given.holdSeconds * 1_000;
    sale.state = given.state;
    sale.spread = given.spread;
    sale.frozen = false;
    this.sales.set(sale.number, sale);
    const { row, revision, limit, total } = given;
    this.skus.set(row, { row, sale, revision, limit, total });
    return { outcome: Outcome.done };
  }

  #remove({ row }: Remove): Answer {
    const sku = this.skus.get(row);
    if (sku === undefined) return { outcome: Outcome.replayed };
    this.skus.delete(row);
    if (![...this.skus.values()].some(({ sale }) => sale === sku.sale)) this.sales.delete(sku.sale.number);
    return { outcome: Outcome.done };
  }

  #control({ sale: number, state }: Control): Answer {
    const sale = this.sales.get(number)!;
    if (sale.state === state) return { outcome: Outcome.replayed };
    sale.state = state;
    return { outcome: Outcome.done };
  }

  #freeze(number: number, nowMs: number): Answer {
    const sale = this.sales.get(number)!;
    const opened =
      sale.state === SaleState.ended ||
      nowMs >= sale.startsAtMs ||
      this.orders.some((order) => order.sale === number);
    sale.frozen = !opened;
    return { outcome: opened ? Outcome.saleOpen : Outcome.done };
  }
}
