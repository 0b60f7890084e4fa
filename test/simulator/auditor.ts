/**
 * The independent judge of a simulation. It hears what clients ask and what they are told, sees the counters that anybody
 * can see, and knows the promises; it looks into no part of the engine. Every sentence it writes is a broken promise.
 */
import type { OrderOutcome } from '#dist/acceptor/order-outcomes.js';
import type { Order } from '#dist/sale/order.js';
import type { PhaseName } from '#dist/sale/phase.js';
import type { SaleDefinition } from '#dist/sale/schema.js';
import {
  type Asked,
  became,
  Known,
  type KnownOrder,
  type PlaceAsk,
  type SkuName,
  type Told,
  type Try,
  text,
} from './known.js';
import { wrongExpiry, wrongRefusal } from './refusals.js';

export interface SkuLine {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

export type Step = 'confirm' | 'cancel' | 'read';

/** A step of an order that somebody asked for. */
export interface StepTry extends Asked {
  readonly step: Step;
  readonly orderId: string;
}

/** Codes after which an order may have been made all the same. */
const doubtfulCodes: ReadonlySet<string> = new Set(['timeout', 'shard_recovering', 'internal']);

export class Auditor {
  readonly #known = new Known();
  /** Whether no number of clients that there may be can fill the in-flight table. */
  readonly #roomy: boolean;
  readonly violations: string[] = [];
  /** How often each kind of answer was heard. */
  readonly answers: Record<string, number> = {};

  readonly hears: (event: string) => void;

  /** @param hears every answer, in a line */
  constructor(roomy: boolean, hears: (event: string) => void) {
    this.#roomy = roomy;
    this.hears = hears;
  }

  #say(text: string): void {
    this.violations.push(text);
  }

  #claim(holds: boolean, text: () => string): void {
    if (!holds) this.#say(text());
  }

  #count(answer: string): void {
    this.answers[answer] = (this.answers[answer] ?? 0) + 1;
  }

  /** Every order that somebody was told of. */
  get orderIds(): string[] {
    return [...this.#known.orders.keys()];
  }

  /** A sale as it is sold from now on. Sales are known before anybody orders. */
  sale(id: string, definition: SaleDefinition): void {
    this.hears(`sale ${id}: ${JSON.stringify(definition)}`);
    this.#known.define(id, definition);
  }

  /** An order is about to be sent. */
  sends(ask: PlaceAsk, phase: PhaseName, nowMs: number): Try {
    const known = this.#known;
    const attempt: Try = {
      ...known.sent(ask, nowMs),
      ask,
      sequenceBefore: known.sku(ask).newestSequence,
      ended: phase === 'ended',
      answered: false,
      doubtful: true,
    };
    known.tries.push(attempt);
    known.follow(attempt, ask);
    return attempt;
  }

  /** Whether somebody has tried to order from a sale. */
  hasTries(sale: string): boolean {
    return this.#known.tries.some(({ ask }) => ask.sale === sale);
  }

  /** A client is told what became of his order. */
  placed(attempt: Try, outcome: Told<OrderOutcome>, nowMs: number): void {
    this.hears(`${nowMs} ${text(attempt.ask)}: ${became(outcome)}`);
    this.#claim(!attempt.answered, () => `${text(attempt.ask)} was answered twice`);
    const known = this.#known;
    known.event += 1;
    known.close(attempt);
    if (outcome === 'lost') return;
    attempt.answered = true;
    if (outcome.ok) {
      this.#count(outcome.replayed ? 'replayed' : 'accepted');
      // Whatever became of the others: there is one order for the key, and this is it.
      for (const one of known.triesOf(attempt)) one.doubtful = false;
      this.#accepted(attempt, outcome.order, outcome.replayed, nowMs);
      return;
    }
    const { code } = outcome;
    this.#count(code);
    attempt.doubtful = doubtfulCodes.has(code);
    if (attempt.doubtful) return;
    const wrong = wrongRefusal(known, attempt, code, nowMs, this.#roomy);
    if (wrong !== undefined) this.#say(wrong);
  }

  #accepted(attempt: Try, order: Order, replayed: boolean, nowMs: number): void {
    const { ask } = attempt;
    const tries = this.#known.triesOf(attempt);
    const what = `${text(ask)} → order ${order.orderId} (${order.sku} × ${order.quantity}, ${order.sequence})`;
    this.#claim(sameAsk(ask, order), () => `${what} is not what was asked for`);
    this.#claim(!replayed || tries.length > 1, () => `${what} is a replay of nothing`);
    this.#claim(
      replayed || !attempt.ended,
      () => `${what} is new, and the sale had ended before it was sent`,
    );
    const sku = this.#known.sku(ask);
    const known = this.#known.orders.get(order.orderId);
    if (known !== undefined) {
      this.#claim(replayed, () => `${what} is given away a second time`);
      this.#claim(known.key !== undefined && known.key === ask.idempotencyKey, () => `${what} is another's`);
    } else {
      for (const [id, { facts, key }] of this.#known.orders) {
        const same = facts.sale === ask.sale && facts.buyer === ask.buyer && key === ask.idempotencyKey;
        const twice = key !== undefined && same && id !== order.orderId;
        this.#claim(!twice, () => `${what} is a second order for its key, beside ${id}`);
      }
      const before = Math.min(...tries.map(({ sequenceBefore }) => sequenceBefore));
      this.#claim(order.sequence > before, () => `${what} came before one that was known when it was sent`);
      const { holdMs } = this.#known.sale(ask.sale);
      const status = holdMs === 0 ? 'confirmed' : 'held';
      if (!replayed) this.#claim(order.status === status, () => `${what} is new, and ${order.status}`);
      this.#claim(order.createdAtMs <= nowMs, () => `${what} was made in the future`);
    }
    this.#hear(order, ask.idempotencyKey, nowMs);
    if (!replayed && sku.limit !== Number.POSITIVE_INFINITY) {
      const units = this.#known.unitsOf(
        ask,
        (one) => one.facts.buyer === ask.buyer && this.#certain(one, nowMs),
      );
      this.#claim(units <= sku.limit, () => `${what}: the buyer has ${units}, the limit is ${sku.limit}`);
    }
  }

  /** Takes in what somebody was told of an order: facts stay, and its status goes only where it may. */
  #hear(order: Order, key: string | undefined, nowMs: number): void {
    const { orderId, sale, sku, buyer, quantity, sequence, createdAtMs, status } = order;
    const known = this.#known.orders.get(orderId);
    const other = this.#known.sku(order).idBySequence.get(sequence);
    this.#claim(other === undefined || other === orderId, () => `${orderId} and ${other}: one sequence`);
    if (known === undefined) {
      const born = {
        ...{ facts: order, key, status, confirmTried: false, cancelTried: false },
        freedAt: undefined,
      };
      this.#known.orders.set(orderId, born);
      this.#free(born);
      const line = this.#known.sku(order);
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
    const due = nowMs >= this.#known.deadlineOf(known);
    known.status = status;
    this.#free(known);
    if (from !== status) {
      const legal = from === 'held' || (from === 'expired' && status === 'confirmed' && reacquired);
      this.#claim(legal, () => what);
    }
    if (status === 'expired') this.#claim(due, () => `${what} before its time`);
    if (reacquired) this.#claim(due && status === 'confirmed', () => `${what}, reacquired before its time`);
    const sold = this.#known.sale(known.facts.sale).holdMs === 0;
    if (status === 'confirmed') this.#claim(sold || known.confirmTried, () => `${what}, and nobody asked`);
    if (status === 'cancelled') this.#claim(known.cancelTried, () => `${what}, and nobody asked`);
  }

  /** Notes from when on an order's units are back for certain. */
  #free(known: KnownOrder): void {
    const { status, confirmTried } = known;
    const back = status === 'cancelled' || (status === 'expired' && !confirmTried);
    if (!back) known.freedAt = undefined;
    else known.freedAt ??= this.#known.event;
  }

  /** Whether an order surely counts against its buyer's limit. */
  #certain(known: KnownOrder, nowMs: number): boolean {
    if (known.status === 'confirmed') return true;
    return known.status === 'held' && !known.cancelTried && nowMs < this.#known.deadlineOf(known);
  }

  /** Somebody is about to ask for a step of an order. */
  asks(step: Step, orderId: string, nowMs: number): StepTry {
    const known = this.#known;
    const order = known.orders.get(orderId)!;
    const asked = { ...known.sent(order.facts, nowMs), step, orderId };
    known.follow(asked, order.facts);
    if (step === 'confirm') order.confirmTried = true;
    if (step === 'cancel') order.cancelTried = true;
    this.#free(order);
    return asked;
  }

  /** Somebody is told what became of it. */
  answered(asked: StepTry, outcome: Told<OrderOutcome>, nowMs: number): void {
    const { step, orderId } = asked;
    this.hears(`${nowMs} ${step} ${orderId}: ${became(outcome)}`);
    const known = this.#known;
    known.event += 1;
    known.close(asked);
    if (outcome === 'lost') return;
    const order = known.orders.get(orderId)!;
    const what = `${step} of order ${orderId} (${order.status})`;
    if (outcome.ok) {
      this.#stepped(asked, outcome.order, what, nowMs);
      return;
    }
    const { code } = outcome;
    this.#count(`${step} ${code}`);
    const due = nowMs >= known.deadlineOf(order);
    switch (code) {
      case 'order_expired': {
        this.#claim(due && step !== 'read', () => `${what}: expired before its deadline`);
        this.#claim(order.status === 'held' || order.status === 'expired', () => `${what}: and expired`);
        this.#claim((outcome.refundRequired === true) === (step === 'confirm'), () => `${what}: refund?`);
        const wrong = step === 'confirm' ? wrongExpiry(known, asked, order) : undefined;
        if (wrong !== undefined) this.#say(wrong);
        return;
      }
      case 'order_confirmed':
        this.#claim(
          (order.confirmTried || order.status === 'confirmed') && step === 'cancel',
          () => `${what}: ${code}`,
        );
        return;
      case 'order_cancelled':
        this.#claim(order.cancelTried && step === 'confirm', () => `${what}: ${code}`);
        return;
      case 'timeout':
      case 'shard_recovering':
        return;
      case 'overloaded':
        this.#claim(!this.#roomy, () => `${what}: ${code}, and there was room`);
        return;
      default:
        this.#say(`${what}: ${code}`);
    }
  }

  #stepped({ step, orderId, sentAtMs }: StepTry, order: Order, what: string, nowMs: number): void {
    this.#count(step === 'confirm' && order.reacquired ? 'confirm late' : step);
    this.#hear(order, undefined, nowMs);
    const deadlineMs = this.#known.deadlineOf(this.#known.orders.get(orderId)!);
    const late = order.status === 'held' && sentAtMs >= deadlineMs;
    this.#claim(!late, () => `${what}: still held after its deadline`);
    if (step === 'confirm') this.#claim(order.status === 'confirmed', () => `${what}: ${order.status}`);
    if (step === 'cancel') this.#claim(order.status === 'cancelled', () => `${what}: ${order.status}`);
  }

  /** An operator is about to pause, resume or end a sale. Returns the event, for `controlled`. */
  controls(id: string, to: 'pause' | 'resume' | 'end'): number {
    this.hears(`${to} ${id} …`);
    const known = this.#known;
    known.event += 1;
    const sale = known.sale(id);
    if (to === 'pause') {
      sale.pauseAskedAt = known.event;
      sale.pausedUntil = Number.POSITIVE_INFINITY;
    }
    if (to === 'end') sale.endAsked = true;
    return known.event;
  }

  /** Told that it is done. Changes come one after the other, so that a resumption undoes every pause before it. */
  controlled(id: string, to: 'pause' | 'resume' | 'end', askedAt: number): void {
    this.hears(`${to} ${id}: done`);
    const known = this.#known;
    known.event += 1;
    const sale = known.sale(id);
    if (to === 'resume' && sale.pauseAskedAt < askedAt) {
      sale.pausedUntil = Math.min(sale.pausedUntil, known.event);
    }
  }

  /** Units are about to be added, or withdrawn. */
  restocks(name: SkuName, quantity: number): void {
    this.hears(`restock of ${name.sale}/${name.sku} by ${quantity} …`);
    const line = this.#known.sku(name);
    if (quantity > 0) line.maybeAdded += quantity;
    else line.maybeWithdrawn -= quantity;
  }

  /** Told what became of it: done, or certainly not; anything else stays in doubt. */
  restocked(name: SkuName, quantity: number, became: 'done' | 'nothing' | 'doubtful'): void {
    this.hears(`restock of ${name.sale}/${name.sku} by ${quantity}: ${became}`);
    if (became === 'doubtful') return;
    const line = this.#known.sku(name);
    if (quantity > 0) line.maybeAdded -= quantity;
    else line.maybeWithdrawn += quantity;
    if (became === 'done') this.#known.add(name, quantity);
  }

  /** What anybody can see of a SKU, at any moment. */
  sees(sale: string, sku: string, line: SkuLine): void {
    const known = this.#known.sku({ sale, sku });
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
    for (const [id, { facts }] of this.#known.orders) {
      if (facts.sale === sale) this.#claim(found.has(id), () => `order ${id} was acknowledged and is lost`);
    }
    this.#explain(orders, nowMs);
    for (const [sku, known] of this.#known.sale(sale).skus) {
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
    const unknown = orders.filter(({ orderId }) => !this.#known.orders.has(orderId));
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
    for (const attempt of this.#known.tries) {
      if (!attempt.doubtful) continue;
      const { sale, buyer, idempotencyKey } = attempt.ask;
      const cause = idempotencyKey === undefined ? attempt : JSON.stringify([sale, buyer, idempotencyKey]);
      causes.set(cause, [...(causes.get(cause) ?? []), attempt]);
    }
    return [...causes.values()];
  }
}

function sameAsk(ask: PlaceAsk, order: Order): boolean {
  return ask.sale === order.sale && ask.buyer === order.buyer && sameBody(ask, order);
}

function sameBody(a: Pick<PlaceAsk, 'sku' | 'quantity'>, b: Pick<PlaceAsk, 'sku' | 'quantity'>): boolean {
  return a.sku === b.sku && a.quantity === b.quantity;
}
