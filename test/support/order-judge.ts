/**
 * Judges what clients of the HTTP API were told, across crashes of the server. It knows the offers, hears every question
 * and answer with its times, and holds them against the HTTP contract; it shares no code with the server. Times are those
 * of `performance.now()`; every sentence in `wrongs` is a broken promise.
 */
import type { SkuJson } from './api.js';
import { groupBy } from './group-by.js';
import {
  type Ask,
  type Click,
  freedAt,
  groupOf,
  isMet,
  type Known,
  lives,
  nameOf,
  type Offer,
  type Refusal,
  type Restock,
  type Stage,
  type Step,
  stageOf,
  type Told,
  type ToldOrder,
} from './told-facts.js';
import { unitsInTime } from './units-in-time.js';

/** Our clock and the server's are the same one, read at different moments and rounded. */
const clockSlackMs = 100;
/** A hold may wait so long for its turn to expire, on a machine that is busy with other things. */
const heldLateMsMax = 2_000;
/** What is wrong after that is rarely news. */
const wrongsMax = 20;

const wallMs = (at: number): number => performance.timeOrigin + at;

export class OrderJudge {
  readonly wrongs: string[] = [];
  readonly #offers: ReadonlyMap<string, Offer>;
  readonly #orders = new Map<string, Known>();
  readonly #clicks: Click[] = [];
  readonly #restocks: Restock[] = [];
  readonly #refusals: Refusal[] = [];

  constructor(offers: readonly Offer[]) {
    this.#offers = new Map(offers.map((offer) => [nameOf(offer), offer]));
  }

  /** Ids of all orders that somebody was told of. */
  get orderIds(): string[] {
    return [...this.#orders.keys()];
  }

  /** How many orders were told of at a stage. */
  count(stage: Stage): number {
    return [...this.#orders.values()].filter(({ toldAt }) => toldAt.has(stage)).length;
  }

  #claim(holds: boolean, text: () => string): void {
    if (!holds && this.wrongs.length < wrongsMax) this.wrongs.push(text());
  }

  #offer(of: { readonly sale: string; readonly sku: string }): Offer {
    return this.#offers.get(nameOf(of))!;
  }

  /** A new key is about to be sent for the first time. */
  clicks(ask: Ask, key: string, firstSentAt: number): Click {
    const click: Click = {
      ...{ ask, key, firstSentAt, tries: 0, cutOff: false },
      ...{ orderId: undefined, orderToldAt: Number.POSITIVE_INFINITY, refusedAt: undefined },
    };
    this.#clicks.push(click);
    return click;
  }

  /** A try of a key got a definite answer. */
  placed(click: Click, told: Told): void {
    const { answer, sentAt, answeredAt } = told;
    const what = `${click.key} (${groupOf(click.ask)}): ${answer.status} ${JSON.stringify(answer.body)}`;
    if (answer.status >= 400) {
      this.#claim(sentAt < click.orderToldAt, () => `${what}, though it has its order`);
      this.#refusals.push({ what, ask: click.ask, code: answer.code!, sentAt, answeredAt });
      return;
    }
    const order = answer.order as ToldOrder;
    const known = this.#orders.get(order.orderId);
    const replayed = answer.header('idempotency-replayed') === 'true';
    const { sale, sku, buyer, quantity } = click.ask;
    const asAsked =
      order.sale === sale && order.sku === sku && order.buyer === buyer && order.quantity === quantity;
    this.#claim(asAsked, () => `${what} is not what was asked for`);
    this.#claim(answer.status === (replayed ? 200 : 201), () => `${what}, replayed: ${replayed}`);
    this.#claim(
      click.orderId === undefined || click.orderId === order.orderId,
      () => `${what} beside ${click.orderId}`,
    );
    this.#claim(
      known?.click === undefined || known.click === click,
      () => `${what} is ${known!.click!.key}'s`,
    );
    this.#claim(!replayed || click.tries > 1, () => `${what} is a replay of nothing`);
    if (!replayed) {
      const createdAtMs = Date.parse(order.createdAt);
      const inTime =
        createdAtMs >= wallMs(sentAt) - clockSlackMs && createdAtMs <= wallMs(answeredAt) + clockSlackMs;
      this.#claim(inTime, () => `${what} was not made between question and answer`);
      this.#claim(order.status === 'held', () => `${what} is new`);
    }
    this.sees(order, told);
    this.#orders.get(order.orderId)!.click = click;
    click.orderId = order.orderId;
    click.orderToldAt = Math.min(click.orderToldAt, answeredAt);
  }

  /** Every try of a key has been answered definitely. */
  clicked(click: Click, at: number): void {
    if (click.orderId === undefined) click.refusedAt = at;
  }

  /** A key that has its order was used with another body. */
  misused(click: Click, { answer }: Told): void {
    const right = answer.status === 422 && answer.code === 'idempotency_conflict';
    this.#claim(
      right,
      () => `${click.key} with another body: ${answer.status} ${JSON.stringify(answer.body)}`,
    );
  }

  /** Somebody is told what an order is like: facts stay, and its stage goes only where it may. */
  sees(order: ToldOrder, { sentAt, answeredAt }: Omit<Told, 'answer'>): void {
    const what = JSON.stringify(order);
    const stage = stageOf(order);
    const { holdSeconds } = this.#offer(order);
    const deadlineMs = Date.parse(order.createdAt) + holdSeconds * 1_000;
    const shown = stage === 'held' || stage === 'expired' ? new Date(deadlineMs).toISOString() : null;
    this.#claim(order.expiresAt === shown, () => `${what}: its deadline should be ${shown}`);
    this.#claim(
      !order.reacquired || order.status === 'confirmed',
      () => `${what}: reacquired, not confirmed`,
    );
    if (stage === 'expired' || stage === 'reacquired') {
      this.#claim(wallMs(answeredAt) + clockSlackMs >= deadlineMs, () => `${what} before its deadline`);
    }
    if (stage === 'held') {
      this.#claim(wallMs(sentAt) < deadlineMs + heldLateMsMax, () => `${what} long after its deadline`);
    }
    const known = this.#orders.get(order.orderId);
    if (known === undefined) {
      this.#orders.set(order.orderId, {
        ...{ facts: order, click: undefined, firstToldAt: answeredAt },
        ...{ toldAt: new Map([[stage, answeredAt]]), confirmTried: false, cancelTried: false },
      });
      return;
    }
    const { facts } = known;
    const same = (['sale', 'sku', 'buyer', 'quantity', 'sequence', 'createdAt', 'durability'] as const).every(
      (name) => facts[name] === order[name],
    );
    this.#claim(same, () => `${what} was ${JSON.stringify(facts)}`);
    this.#reaches(known, stage, sentAt, answeredAt);
  }

  #reaches(known: Known, stage: Stage, sentAt: number, answeredAt: number): void {
    const { facts, toldAt } = known;
    const what = `${facts.orderId} is ${stage}, having been ${[...toldAt.keys()]}`;
    if (!toldAt.has(stage)) toldAt.set(stage, answeredAt);
    const life = lives.find((one) => isMet(one, toldAt));
    this.#claim(life !== undefined, () => what);
    const later = life?.slice(life.indexOf(stage as never) + 1) ?? [];
    // An answer that was asked for before the later stage was told of may be the older one.
    this.#claim(
      later.every((one) => sentAt < (toldAt.get(one) ?? Number.POSITIVE_INFINITY)),
      () => `${what}, and is so again`,
    );
    if (stage === 'confirmed' || stage === 'reacquired')
      this.#claim(known.confirmTried, () => `${what}: nobody asked`);
    if (stage === 'cancelled') this.#claim(known.cancelTried, () => `${what}: nobody asked`);
  }

  /** Somebody is about to ask for a step of an order. */
  asks(step: Step, orderId: string): void {
    const known = this.#orders.get(orderId)!;
    if (step === 'confirm') known.confirmTried = true;
    if (step === 'cancel') known.cancelTried = true;
  }

  /** He got a definite answer. */
  stepped(step: Step, orderId: string, told: Told): void {
    const { answer, sentAt, answeredAt } = told;
    const known = this.#orders.get(orderId)!;
    const what = `${step} of ${orderId}: ${answer.status} ${JSON.stringify(answer.body)}`;
    if (answer.status === 200) {
      const order = answer.order as ToldOrder;
      this.#claim(order.orderId === orderId, () => what);
      this.sees(order, told);
      if (step === 'confirm') this.#claim(order.status === 'confirmed', () => what);
      if (step === 'cancel') this.#claim(order.status === 'cancelled', () => what);
      return;
    }
    const { refundRequired } = answer.body as { refundRequired?: boolean };
    const refund = step === 'confirm' && answer.code === 'order_expired';
    this.#claim(answer.status === 409 && step !== 'read', () => what);
    this.#claim((refundRequired === true) === refund, () => `${what}: refund?`);
    switch (answer.code) {
      case 'order_expired':
        this.#reaches(known, 'expired', sentAt, answeredAt);
        if (step !== 'confirm') return;
        this.#refusals.push({ what, ask: known.facts, code: 'gone', sentAt, answeredAt, own: known });
        return;
      case 'order_cancelled':
        this.#claim(step === 'confirm', () => what);
        this.#reaches(known, 'cancelled', sentAt, answeredAt);
        return;
      case 'order_confirmed':
        this.#claim(step === 'cancel' && known.confirmTried, () => what);
        return;
      default:
        this.#claim(false, () => what);
    }
  }

  /** A restock is about to be sent for the first time. */
  restocks(offer: Offer, quantity: number, key: string, firstSentAt: number): Restock {
    const restock: Restock = {
      ...{ offer, quantity, key, firstSentAt, cutOff: false },
      ...{ became: undefined, endedAt: Number.POSITIVE_INFINITY },
    };
    this.#restocks.push(restock);
    return restock;
  }

  restocked(restock: Restock, { answer, sentAt, answeredAt }: Told): void {
    const { offer, quantity, key } = restock;
    const what = `${key} (${nameOf(offer)} by ${quantity}): ${answer.status} ${JSON.stringify(answer.body)}`;
    restock.endedAt = answeredAt;
    restock.became = answer.status === 200 ? 'done' : 'refused';
    if (answer.status === 200) return;
    const right = quantity < 0 && answer.code === 'insufficient_stock';
    this.#claim(right, () => what);
    const ask = { ...offer, buyer: '', quantity: -quantity };
    this.#refusals.push({ what, ask, code: 'cannot withdraw', sentAt, answeredAt });
  }

  /** What anybody can see of a SKU, at any moment. */
  glances(sale: string, line: SkuJson, { sentAt, answeredAt }: Omit<Told, 'answer'>): void {
    const offer = this.#offer({ sale, sku: line.sku });
    const { total, available, held, confirmed, limitPerBuyer } = line;
    const what = `${sale}: ${JSON.stringify(line)}`;
    this.#claim(
      available + held + confirmed === total && Math.min(available, held, confirmed) >= 0,
      () => `${what} does not add up`,
    );
    this.#claim(limitPerBuyer === (offer.limitPerBuyer ?? null), () => `${what}: another limit`);
    let least = offer.stock;
    let most = offer.stock;
    for (const restock of this.#restocks) {
      const { quantity, firstSentAt, became, endedAt } = restock;
      const over = endedAt <= sentAt;
      if (restock.offer !== offer || firstSentAt > answeredAt || (over && became === 'refused')) continue;
      const done = over && became === 'done';
      if (done || quantity < 0) least += quantity;
      if (done || quantity > 0) most += quantity;
    }
    this.#claim(total >= least && total <= most, () => `${what}: total not from ${least} to ${most}`);
  }

  /**
   * While nobody asks for anything, so that only holds expire: every order there is, by every buyer, between two
   * readings of the counters.
   */
  inspects(
    orders: readonly ToldOrder[],
    before: ReadonlyMap<string, SkuJson>,
    after: ReadonlyMap<string, SkuJson>,
    told: Omit<Told, 'answer'>,
  ): void {
    const found = new Set(orders.map(({ orderId }) => orderId));
    for (const id of this.#orders.keys())
      this.#claim(found.has(id), () => `${id} was acknowledged and is lost`);
    this.#claim(found.size === orders.length, () => 'an order is listed twice');
    this.#explain(orders);
    for (const order of orders) this.sees(order, told);
    const bySku = groupBy(orders, nameOf);
    for (const [name, offer] of this.#offers) {
      this.#inspectSku(offer, bySku.get(name) ?? [], before.get(name)!, after.get(name)!);
    }
  }

  #inspectSku({ limitPerBuyer }: Offer, orders: readonly ToldOrder[], before: SkuJson, after: SkuJson): void {
    const units = (status: string) =>
      orders.reduce((sum, order) => sum + (order.status === status ? order.quantity : 0), 0);
    const held = units('held');
    const confirmed = units('confirmed');
    const counted = before.held >= held && held >= after.held && before.confirmed === confirmed;
    this.#claim(
      counted && after.confirmed === confirmed && before.total === after.total,
      () =>
        `orders: ${held} held, ${confirmed} confirmed; ${JSON.stringify(before)}, then ${JSON.stringify(after)}`,
    );
    const ordered = orders.toSorted((a, b) => a.sequence - b.sequence);
    this.#claim(
      ordered.every(({ sequence }, i) => sequence === i + 1),
      () => `sequences of ${before.sku} have gaps`,
    );
    this.#claim(
      ordered.every(({ createdAt }, i) => i === 0 || ordered[i - 1]!.createdAt <= createdAt),
      () => `${before.sku}: a later order is the older one`,
    );
    for (const [buyer, his] of groupBy(orders, (order) => order.buyer)) {
      const taken = his.reduce((sum, { status, quantity }) => {
        return status === 'held' || status === 'confirmed' ? sum + quantity : sum;
      }, 0);
      this.#claim(
        taken <= (limitPerBuyer ?? Number.POSITIVE_INFINITY),
        () => `${buyer} has ${taken} of ${before.sku}, the limit is ${limitPerBuyer}`,
      );
    }
  }

  /** Orders that nobody was told of are those of keys that are still being tried: as many of a kind at most. */
  #explain(orders: readonly ToldOrder[]): void {
    const causes = new Map<string, number>();
    for (const { ask, cutOff, orderId, refusedAt } of this.#clicks) {
      if (!cutOff || orderId !== undefined || refusedAt !== undefined) continue;
      causes.set(groupOf(ask), (causes.get(groupOf(ask)) ?? 0) + 1);
    }
    // One that an earlier listing has shown takes up its cause as well.
    const unclaimed = orders.filter(({ orderId }) => this.#orders.get(orderId)?.click === undefined);
    for (const [group, of] of groupBy(unclaimed, groupOf)) {
      this.#claim(
        of.length <= (causes.get(group) ?? 0),
        () => `${group}: ${of.length} that nobody asked for`,
      );
    }
  }

  /** When every question has been answered: what could not be judged before all was known. */
  concludes(): void {
    for (const { key, orderId, refusedAt } of this.#clicks) {
      this.#claim(orderId !== undefined || refusedAt !== undefined, () => `${key} was never answered`);
    }
    for (const [id, { click }] of this.#orders) this.#claim(click !== undefined, () => `${id} has no key`);
    this.#checkTurns();
    this.#checkRefusals();
  }

  /** Whoever was told of an order before another was asked for has the smaller sequence. */
  #checkTurns(): void {
    for (const orders of groupBy(this.#orders.values(), ({ facts }) => nameOf(facts)).values()) {
      let latestAskedAt = Number.NEGATIVE_INFINITY;
      for (const { facts, click, firstToldAt } of orders.toSorted(
        (a, b) => a.facts.sequence - b.facts.sequence,
      )) {
        const { orderId, sequence } = facts;
        this.#claim(firstToldAt >= latestAskedAt, () => `${orderId} (${sequence}) was overtaken`);
        latestAskedAt = Math.max(latestAskedAt, click?.firstSentAt ?? latestAskedAt);
      }
    }
  }

  /** A refusal is wrong where no order of events could explain it. */
  #checkRefusals(): void {
    const { bySku, byBuyer } = unitsInTime({
      ...{ names: this.#offers.keys(), clicks: this.#clicks },
      ...{ orders: this.#orders, restocks: this.#restocks },
    });
    for (const { what, ask, code, sentAt, answeredAt, own } of this.#refusals) {
      const { stock, limitPerBuyer = Number.POSITIVE_INFINITY } = this.#offer(ask);
      // What is expired has no units of its own that could stand in its way.
      const mine =
        own !== undefined && freedAt(own) > sentAt && own.click!.firstSentAt <= answeredAt ? ask.quantity : 0;
      const left = stock - (bySku.get(nameOf(ask))?.most(sentAt, answeredAt) ?? 0) + mine;
      const has = (byBuyer.get(`${nameOf(ask)} ${ask.buyer}`)?.most(sentAt, answeredAt) ?? 0) - mine;
      const limited = has + ask.quantity > limitPerBuyer;
      const possible = {
        sold_out: left < 1,
        insufficient_stock: left < ask.quantity && ask.quantity > 1,
        limit_reached: limited,
        gone: left < ask.quantity || limited,
        'cannot withdraw': left < ask.quantity,
      }[code];
      this.#claim(possible === true, () => `${what}: at least ${left} were left, and he had ${has} at most`);
    }
  }
}
