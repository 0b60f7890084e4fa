/**
 * The independent judge of a simulation. It hears what clients ask and what they are told, sees the counters that anybody
 * can see, and knows the promises; it looks into no part of the engine. Every sentence it writes is a broken promise.
 */
import type { OrderOutcome } from '#dist/acceptor/order-outcomes.js';
import type { Order } from '#dist/sale/order.js';
import type { PhaseName } from '#dist/sale/phase.js';
import type { SaleDefinition } from '#dist/sale/schema.js';

export interface PlaceAsk {
  readonly sale: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly idempotencyKey?: string;
}

/** What a client was told, or `lost` where he never hears. */
export type Told<T> = T | 'lost';

export interface SkuLine {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

/** One try of an order: sent, and perhaps answered. */
export interface Try {
  readonly ask: PlaceAsk;
  /** Sequence of the newest order of the SKU that somebody knew of when it was sent. */
  readonly sequenceBefore: number;
  /** Units that restocks had added for certain when it was sent. */
  readonly addedBefore: number;
  /** Whether anybody could see then that the sale had ended. */
  readonly ended: boolean;
  answered: boolean;
  /** Whether it may have made an order that nobody has been told of. */
  doubtful: boolean;
}

interface KnownOrder {
  readonly facts: Order;
  readonly key: string | undefined;
  status: Order['status'];
  confirmTried: boolean;
  cancelTried: boolean;
}

interface KnownSku {
  readonly stock: number;
  readonly limit: number;
  newestSequence: number;
  readonly idBySequence: Map<number, string>;
  /** Units that restocks added for certain, and what further ones may have, either way. */
  added: number;
  maybeAdded: number;
  maybeWithdrawn: number;
}

interface KnownSale {
  readonly holdMs: number;
  readonly skus: Map<string, KnownSku>;
}

/** Codes after which an order may have been made all the same. */
const doubtfulCodes: ReadonlySet<string> = new Set(['timeout', 'shard_recovering', 'internal']);

export class Auditor {
  readonly #sales = new Map<string, KnownSale>();
  readonly #orders = new Map<string, KnownOrder>();
  readonly #tries: Try[] = [];
  readonly violations: string[] = [];

  readonly hears: (event: string) => void;

  /** @param hears every answer, in a line */
  constructor(hears: (event: string) => void) {
    this.hears = hears;
  }

  #say(text: string): void {
    this.violations.push(text);
  }

  #claim(holds: boolean, text: () => string): void {
    if (!holds) this.#say(text());
  }

  /** Every order that somebody was told of. */
  get orderIds(): string[] {
    return [...this.#orders.keys()];
  }

  /** A sale as it is sold from now on. Sales are known before anybody orders. */
  sale(id: string, definition: SaleDefinition): void {
    this.hears(`sale ${id}: ${JSON.stringify(definition)}`);
    // A restock that nobody has heard of may yet come to the new definition: whoever asked for it asks again.
    const before = this.#sales.get(id)?.skus;
    const skus = definition.skus.map(({ sku, stock, limitPerBuyer }): [string, KnownSku] => [
      sku,
      {
        ...{ stock, limit: limitPerBuyer ?? Number.POSITIVE_INFINITY, newestSequence: 0 },
        ...{ idBySequence: new Map(), added: 0, maybeAdded: 0, maybeWithdrawn: 0 },
        ...doubtsOf(before?.get(sku)),
      },
    ]);
    this.#sales.set(id, { holdMs: definition.holdSeconds! * 1_000, skus: new Map(skus) });
  }

  #sku(ask: { readonly sale: string; readonly sku: string }): KnownSku {
    return this.#sales.get(ask.sale)!.skus.get(ask.sku)!;
  }

  /** An order is about to be sent. */
  sends(ask: PlaceAsk, phase: PhaseName): Try {
    const attempt: Try = {
      ask,
      sequenceBefore: this.#sku(ask).newestSequence,
      addedBefore: this.#sku(ask).added,
      ended: phase === 'ended',
      answered: false,
      doubtful: true,
    };
    this.#tries.push(attempt);
    return attempt;
  }

  /** Whether somebody has tried to order from a sale. */
  hasTries(sale: string): boolean {
    return this.#tries.some(({ ask }) => ask.sale === sale);
  }

  /** The tries of the same order: all with the same key, or the one without. */
  #triesOf(attempt: Try): Try[] {
    const { sale, buyer, idempotencyKey } = attempt.ask;
    if (idempotencyKey === undefined) return [attempt];
    return this.#tries.filter(
      ({ ask }) => ask.sale === sale && ask.buyer === buyer && ask.idempotencyKey === idempotencyKey,
    );
  }

  /** A client is told what became of his order. */
  placed(attempt: Try, outcome: Told<OrderOutcome>, nowMs: number): void {
    this.hears(`${nowMs} ${text(attempt.ask)}: ${became(outcome)}`);
    this.#claim(!attempt.answered, () => `${text(attempt.ask)} was answered twice`);
    if (outcome === 'lost') return;
    attempt.answered = true;
    if (outcome.ok) {
      // Whatever became of the others: there is one order for the key, and this is it.
      for (const one of this.#triesOf(attempt)) one.doubtful = false;
      this.#accepted(attempt, outcome.order, outcome.replayed, nowMs);
      return;
    }
    attempt.doubtful = doubtfulCodes.has(outcome.code);
    if (!attempt.doubtful) this.#refused(attempt, outcome.code, nowMs);
  }

  #accepted(attempt: Try, order: Order, replayed: boolean, nowMs: number): void {
    const { ask } = attempt;
    const tries = this.#triesOf(attempt);
    const what = `${text(ask)} → order ${order.orderId} (${order.sku} × ${order.quantity}, ${order.sequence})`;
    this.#claim(sameAsk(ask, order), () => `${what} is not what was asked for`);
    this.#claim(!replayed || tries.length > 1, () => `${what} is a replay of nothing`);
    this.#claim(
      replayed || !attempt.ended,
      () => `${what} is new, and the sale had ended before it was sent`,
    );
    const sku = this.#sku(ask);
    const known = this.#orders.get(order.orderId);
    if (known !== undefined) {
      this.#claim(replayed, () => `${what} is given away a second time`);
      this.#claim(known.key !== undefined && known.key === ask.idempotencyKey, () => `${what} is another's`);
    } else {
      for (const [id, { facts, key }] of this.#orders) {
        const same = facts.sale === ask.sale && facts.buyer === ask.buyer && key === ask.idempotencyKey;
        const twice = key !== undefined && same && id !== order.orderId;
        this.#claim(!twice, () => `${what} is a second order for its key, beside ${id}`);
      }
      const before = Math.min(...tries.map(({ sequenceBefore }) => sequenceBefore));
      this.#claim(order.sequence > before, () => `${what} came before one that was known when it was sent`);
      const { holdMs } = this.#sales.get(ask.sale)!;
      const status = holdMs === 0 ? 'confirmed' : 'held';
      if (!replayed) this.#claim(order.status === status, () => `${what} is new, and ${order.status}`);
      this.#claim(order.createdAtMs <= nowMs, () => `${what} was made in the future`);
    }
    this.#hear(order, ask.idempotencyKey, nowMs);
    if (!replayed && sku.limit !== Number.POSITIVE_INFINITY) {
      const units = this.#unitsFor(ask, (one) => this.#certain(one, nowMs));
      this.#claim(units <= sku.limit, () => `${what}: the buyer has ${units}, the limit is ${sku.limit}`);
    }
  }

  /** Takes in what somebody was told of an order: facts stay, and its status goes only where it may. */
  #hear(order: Order, key: string | undefined, nowMs: number): void {
    const { orderId, sale, sku, buyer, quantity, sequence, createdAtMs, status } = order;
    const known = this.#orders.get(orderId);
    const other = this.#sku(order).idBySequence.get(sequence);
    this.#claim(other === undefined || other === orderId, () => `${orderId} and ${other}: one sequence`);
    if (known === undefined) {
      const born = { facts: order, key, status, confirmTried: false, cancelTried: false };
      this.#orders.set(orderId, born);
      const line = this.#sku(order);
      line.idBySequence.set(sequence, orderId);
      line.newestSequence = Math.max(line.newestSequence, sequence);
      return;
    }
    const { facts } = known;
    const same =
      facts.sale === sale &&
      facts.sku === sku &&
      facts.buyer === buyer &&
      facts.quantity === quantity &&
      facts.sequence === sequence &&
      facts.createdAtMs === createdAtMs;
    this.#claim(same, () => `order ${orderId} is another than it was`);
    this.#move(known, order, nowMs);
  }

  #move(known: KnownOrder, { orderId, status, reacquired }: Order, nowMs: number): void {
    const from = known.status;
    const what = `order ${orderId} went from ${from} to ${status}`;
    const due = nowMs >= this.#deadlineOf(known);
    known.status = status;
    if (from !== status) {
      const legal = from === 'held' || (from === 'expired' && status === 'confirmed' && reacquired);
      this.#claim(legal, () => what);
    }
    if (status === 'expired') this.#claim(due, () => `${what} before its time`);
    if (reacquired) this.#claim(due && status === 'confirmed', () => `${what}, reacquired before its time`);
    const sold = this.#sales.get(known.facts.sale)!.holdMs === 0;
    if (status === 'confirmed') this.#claim(sold || known.confirmTried, () => `${what}, and nobody asked`);
    if (status === 'cancelled') this.#claim(known.cancelTried, () => `${what}, and nobody asked`);
  }

  #deadlineOf({ facts }: KnownOrder): number {
    const { holdMs } = this.#sales.get(facts.sale)!;
    return holdMs === 0 ? Number.POSITIVE_INFINITY : facts.createdAtMs + holdMs;
  }

  /** Whether an order surely counts against its buyer's limit. */
  #certain(known: KnownOrder, nowMs: number): boolean {
    if (known.status === 'confirmed') return true;
    return known.status === 'held' && !known.cancelTried && nowMs < this.#deadlineOf(known);
  }

  #unitsFor(ask: PlaceAsk, counts: (order: KnownOrder) => boolean): number {
    let units = 0;
    for (const known of this.#orders.values()) {
      const { sale, sku, buyer, quantity } = known.facts;
      const his = sale === ask.sale && sku === ask.sku && buyer === ask.buyer;
      if (his && counts(known)) units += quantity;
    }
    return units;
  }

  /** Units of tries that may have made an order nobody has been told of. */
  #doubtfulUnits(ask: PlaceAsk, mine: Try, anybody: boolean): number {
    return this.#tries
      .filter((one) => one !== mine && one.doubtful && one.ask.sale === ask.sale && one.ask.sku === ask.sku)
      .filter((one) => anybody || one.ask.buyer === ask.buyer)
      .reduce((units, one) => units + one.ask.quantity, 0);
  }

  #refused(attempt: Try, code: string, nowMs: number): void {
    const { ask } = attempt;
    const sku = this.#sku(ask);
    const what = `${text(ask)} was refused with ${code}`;
    switch (code) {
      case 'limit_reached': {
        const units =
          this.#unitsFor(ask, ({ status }) => status !== 'cancelled') +
          this.#doubtfulUnits(ask, attempt, false);
        this.#claim(units + ask.quantity > sku.limit, () => `${what}, having ${units} of ${sku.limit}`);
        return;
      }
      case 'sold_out':
      case 'insufficient_stock': {
        let taken = this.#doubtfulUnits(ask, attempt, true) + sku.maybeWithdrawn;
        for (const { facts, status } of this.#orders.values()) {
          // One that was cancelled may have had its units when this was decided.
          if (facts.sale === ask.sale && facts.sku === ask.sku && status !== 'cancelled')
            taken += facts.quantity;
        }
        const cancelled = [...this.#orders.values()].some(
          ({ facts, status }) => status === 'cancelled' && facts.sale === ask.sale && facts.sku === ask.sku,
        );
        const left = sku.stock + Math.min(sku.added, attempt.addedBefore) - taken;
        this.#claim(cancelled || left < ask.quantity, () => `${what}, and ${left} must be left`);
        return;
      }
      case 'idempotency_conflict': {
        const bodies = this.#triesOf(attempt).some((one) => !sameBody(one.ask, ask));
        this.#claim(bodies, () => `${what}, and its key was used for nothing else`);
        return;
      }
      case 'not_started':
      case 'paused':
      case 'ended':
      case 'overloaded':
        return;
      default:
        this.#say(`${what} at ${nowMs}`);
    }
  }

  /** Somebody is about to ask for a step of an order. */
  asks(step: 'confirm' | 'cancel' | 'read', orderId: string): void {
    const known = this.#orders.get(orderId)!;
    if (step === 'confirm') known.confirmTried = true;
    if (step === 'cancel') known.cancelTried = true;
  }

  /** Somebody is told what became of it. */
  answered(
    step: 'confirm' | 'cancel' | 'read',
    orderId: string,
    outcome: Told<OrderOutcome>,
    sentAtMs: number,
    nowMs: number,
  ): void {
    this.hears(`${nowMs} ${step} ${orderId}: ${became(outcome)}`);
    if (outcome === 'lost') return;
    const known = this.#orders.get(orderId)!;
    const what = `${step} of order ${orderId} (${known.status})`;
    if (outcome.ok) {
      const { order } = outcome;
      this.#hear(order, undefined, nowMs);
      const late = order.status === 'held' && sentAtMs >= this.#deadlineOf(known);
      this.#claim(!late, () => `${what}: still held after its deadline`);
      if (step === 'confirm') this.#claim(order.status === 'confirmed', () => `${what}: ${order.status}`);
      if (step === 'cancel') this.#claim(order.status === 'cancelled', () => `${what}: ${order.status}`);
      return;
    }
    const due = nowMs >= this.#deadlineOf(known);
    switch (outcome.code) {
      case 'order_expired':
        this.#claim(due && step !== 'read', () => `${what}: expired before its deadline`);
        this.#claim(known.status === 'held' || known.status === 'expired', () => `${what}: and expired`);
        this.#claim((outcome.refundRequired === true) === (step === 'confirm'), () => `${what}: refund?`);
        return;
      case 'order_confirmed':
        this.#claim(
          (known.confirmTried || known.status === 'confirmed') && step === 'cancel',
          () => `${what}: ${outcome.code}`,
        );
        return;
      case 'order_cancelled':
        this.#claim(known.cancelTried && step === 'confirm', () => `${what}: ${outcome.code}`);
        return;
      case 'timeout':
      case 'shard_recovering':
      case 'overloaded':
        return;
      default:
        this.#say(`${what}: ${outcome.code}`);
    }
  }

  /** Units are about to be added, or withdrawn. */
  restocks(sale: string, sku: string, quantity: number): void {
    this.hears(`restock of ${sale}/${sku} by ${quantity} …`);
    const line = this.#sku({ sale, sku });
    if (quantity > 0) line.maybeAdded += quantity;
    else line.maybeWithdrawn -= quantity;
  }

  /** Told what became of it: done, or certainly not; anything else stays in doubt. */
  restocked(sale: string, sku: string, quantity: number, became: 'done' | 'nothing' | 'doubtful'): void {
    this.hears(`restock of ${sale}/${sku} by ${quantity}: ${became}`);
    if (became === 'doubtful') return;
    const line = this.#sku({ sale, sku });
    if (quantity > 0) line.maybeAdded -= quantity;
    else line.maybeWithdrawn += quantity;
    if (became === 'done') line.added += quantity;
  }

  /** What anybody can see of a SKU, at any moment. */
  sees(sale: string, sku: string, line: SkuLine): void {
    const known = this.#sku({ sale, sku });
    const { total, available, held, confirmed } = line;
    const sum = available + held + confirmed;
    const what = `${sale}/${sku}: ${JSON.stringify(line)}`;
    this.#claim(
      sum === total && available >= 0 && held >= 0 && confirmed >= 0,
      () => `${what} does not add up`,
    );
    const least = known.stock + known.added - known.maybeWithdrawn;
    const most = known.stock + known.added + known.maybeAdded;
    this.#claim(total >= least && total <= most, () => `${what}: its total is not from ${least} to ${most}`);
  }

  /** When all is quiet: every order there is, by every buyer, beside the counters. */
  concludes(
    sale: string,
    orders: readonly Order[],
    lines: ReadonlyMap<string, SkuLine>,
    nowMs: number,
  ): void {
    const found = new Map(orders.map((order) => [order.orderId, order]));
    for (const [id, { facts }] of this.#orders) {
      if (facts.sale === sale) this.#claim(found.has(id), () => `order ${id} was acknowledged and is lost`);
    }
    this.#explain(orders, nowMs);
    for (const [sku, known] of this.#sales.get(sale)!.skus) {
      const own = orders.filter((order) => order.sku === sku);
      const units = (status: string) =>
        own.filter((order) => order.status === status).reduce((sum, { quantity }) => sum + quantity, 0);
      const line = lines.get(sku)!;
      const counted = { held: units('held'), confirmed: units('confirmed') };
      const what = `${sale}/${sku}: ${JSON.stringify(line)}`;
      const right = counted.held === line.held && counted.confirmed === line.confirmed;
      this.#claim(right, () => `${what}, but the orders say ${JSON.stringify(counted)}`);
      const sequences = own.map(({ sequence }) => sequence).sort((a, b) => a - b);
      this.#claim(
        sequences.every((sequence, i) => sequence === i + 1),
        () => `${what}: sequences ${sequences}`,
      );
      this.#checkLimits(own, known.limit, what);
    }
  }

  #checkLimits(orders: readonly Order[], limit: number, what: string): void {
    const byBuyer = new Map<string, number>();
    for (const { buyer, quantity, status } of orders) {
      if (status !== 'held' && status !== 'confirmed') continue;
      const units = (byBuyer.get(buyer) ?? 0) + quantity;
      byBuyer.set(buyer, units);
      this.#claim(units <= limit, () => `${what}: ${buyer} has ${units}, the limit is ${limit}`);
    }
  }

  /**
   * Every order is one that somebody was told of, or that he asked for without hearing the end of it; and for each key,
   * and for each try without one, there is one order at most. Which try made which order nobody may know: it has to be
   * possible that all came about (a matching by augmenting paths; Kuhn, "The Hungarian method", 1955).
   */
  #explain(orders: readonly Order[], nowMs: number): void {
    const unknown = orders.filter(({ orderId }) => !this.#orders.has(orderId));
    const causes = this.#causes();
    const orderOf = new Map<Try[], Order>();
    const explain = (order: Order, seen: Set<Try[]>): boolean => {
      for (const cause of causes) {
        if (seen.has(cause) || !cause.some(({ ask }) => sameAsk(ask, order))) continue;
        seen.add(cause);
        const other = orderOf.get(cause);
        if (other !== undefined && !explain(other, seen)) continue;
        orderOf.set(cause, order);
        return true;
      }
      return false;
    };
    for (const order of unknown) {
      this.#claim(
        explain(order, new Set()),
        () => `${order.orderId}: nobody asked for so many of ${order.sku}`,
      );
    }
    for (const [cause, order] of orderOf) {
      for (const attempt of cause) attempt.doubtful = false;
      this.#hear(order, cause[0]!.ask.idempotencyKey, nowMs);
    }
    for (const order of orders) this.#hear(order, undefined, nowMs);
  }

  /** What may have made an order that nobody has been told of: the doubtful tries of a key, or one without. */
  #causes(): Try[][] {
    const causes = new Map<string | Try, Try[]>();
    for (const attempt of this.#tries) {
      if (!attempt.doubtful) continue;
      const { sale, buyer, idempotencyKey } = attempt.ask;
      const cause = idempotencyKey === undefined ? attempt : JSON.stringify([sale, buyer, idempotencyKey]);
      causes.set(cause, [...(causes.get(cause) ?? []), attempt]);
    }
    return [...causes.values()];
  }
}

function text({ sale, sku, buyer, quantity, idempotencyKey }: PlaceAsk): string {
  return `${buyer} (${idempotencyKey ?? 'no key'}) ordering ${quantity} × ${sale}/${sku}`;
}

function doubtsOf(line: KnownSku | undefined): Partial<KnownSku> {
  return line === undefined ? {} : { maybeAdded: line.maybeAdded, maybeWithdrawn: line.maybeWithdrawn };
}

function became(outcome: Told<OrderOutcome>): string {
  if (outcome === 'lost') return outcome;
  if (!outcome.ok) return outcome.code;
  const { orderId, status } = outcome.order;
  return `${outcome.replayed ? 'again ' : ''}${orderId}, ${status}`;
}

function sameAsk(ask: PlaceAsk, order: Order): boolean {
  return ask.sale === order.sale && ask.buyer === order.buyer && sameBody(ask, order);
}

function sameBody(a: Pick<PlaceAsk, 'sku' | 'quantity'>, b: Pick<PlaceAsk, 'sku' | 'quantity'>): boolean {
  return a.sku === b.sku && a.quantity === b.quantity;
}
