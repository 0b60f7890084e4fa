/** Stories to tell the judge of the torture tests: each begins with a click that gets an order, and goes on as it is told. */
import { describe, expect, test } from 'vitest';
import { Answer, type SkuJson } from '../support/api.js';
import { OrderJudge } from '../support/order-judge.js';
import type { Click, Offer, Restock, ToldOrder } from '../support/told-facts.js';

export const offer: Offer = { sale: 's', sku: 'a', holdSeconds: 1, stock: 10, limitPerBuyer: 3 };
/** Beside it, and never sold: for orders that are suddenly for something else. */
const others: readonly Offer[] = [
  { sale: 's', sku: 'b', holdSeconds: 1, stock: 10, limitPerBuyer: 3 },
  { sale: 't', sku: 'a', holdSeconds: 1, stock: 10, limitPerBuyer: 3 },
];
export const ask = { sale: 's', sku: 'a', buyer: 'u', quantity: 2 };
export const unsold: SkuJson = {
  ...{ sku: 'a', total: 10, available: 10, held: 0, confirmed: 0 },
  limitPerBuyer: 3,
};

type Step = 'confirm' | 'cancel' | 'read';

/** One SKU, a click that gets an order of two units, perhaps another one that gets a second order. */
export class Story {
  readonly judge = new OrderJudge([offer, ...others]);
  readonly click: Click;
  readonly order: ToldOrder;
  #at = 1_000;
  #second: ToldOrder | undefined;
  #secondClick: Click | undefined;

  constructor() {
    this.order = {
      ...{ orderId: 'o-1', ...ask, status: 'held', sequence: 1, durability: 'fsync' },
      ...this.madeLater(0),
    };
    this.click = this.judge.clicks(ask, 'k', this.#at);
    this.click.tries = 1;
    this.place(201);
  }

  /** The times of an order that is made so much later than now. */
  madeLater(ms: number): Pick<ToldOrder, 'createdAt' | 'expiresAt'> {
    const createdAtMs = Math.round(performance.timeOrigin + this.#at) + ms;
    return {
      createdAt: new Date(createdAtMs).toISOString(),
      expiresAt: new Date(createdAtMs + 1_000 * offer.holdSeconds).toISOString(),
    };
  }

  /** An exchange that begins after all others have ended. */
  told(status: number, body: object, replayed = false) {
    const sentAt = ++this.#at;
    const headers: Record<string, string> = replayed ? { 'idempotency-replayed': 'true' } : {};
    return { answer: new Answer(status, headers, body), sentAt, answeredAt: ++this.#at };
  }

  waits(ms: number): this {
    this.#at += ms;
    return this;
  }

  /** The click gets its order: for the first time with 201, as a replay with 200. */
  place(status: 200 | 201): void {
    this.judge.placed(this.click, this.told(status, this.order, status === 200));
  }

  /** The order of the second click. */
  get second(): ToldOrder {
    return this.#second!;
  }

  /** A second click is on its way. */
  presses(buyer: string, quantity: number): Click {
    const click = this.judge.clicks({ ...ask, buyer, quantity }, 'k-2', ++this.#at);
    click.tries = 1;
    this.#secondClick = click;
    this.#second = {
      ...{ ...this.order, orderId: 'o-2', buyer, quantity, sequence: 2 },
      ...this.madeLater(0),
    };
    return click;
  }

  /** A second click that gets its order. */
  sell(changes: Partial<ToldOrder> = {}, buyer = 'v', quantity = 1): void {
    const click = this.presses(buyer, quantity);
    this.judge.placed(click, this.told(201, { ...this.second, ...changes }));
  }

  /** A step is answered with the order as it is said to be, without a deadline unless that is said. */
  step(step: Step, changes: Partial<ToldOrder>): void {
    this.judge.asks(step, 'o-1');
    this.judge.stepped(step, 'o-1', this.told(200, { ...this.order, expiresAt: null, ...changes }));
  }

  refuse(
    step: Step,
    code: string,
    {
      status = 409,
      refundRequired = step === 'confirm' && code === 'order_expired',
    }: { status?: number; refundRequired?: boolean } = {},
  ): void {
    this.judge.asks(step, 'o-1');
    const body = refundRequired ? { code, refundRequired } : { code };
    this.judge.stepped(step, 'o-1', this.told(status, body));
  }

  /** Another click, refused. */
  turnAway(code: string, quantity: number, buyer: string): void {
    const told = this.told(409, { code });
    const click = this.judge.clicks({ ...ask, quantity, buyer }, `${buyer} ${quantity}`, told.sentAt);
    click.tries = 1;
    this.judge.placed(click, told);
    this.judge.clicked(click, told.answeredAt);
  }

  /** A restock is on its way. */
  restock(quantity: number): Restock {
    return this.judge.restocks(offer, quantity, 'r', ++this.#at);
  }

  /** Somebody looks at the counters. */
  glance(line: SkuJson): this {
    this.judge.glances('s', line, this.told(200, {}));
    return this;
  }

  /** Every order there is, as changes to the first one, between two readings of the counters. */
  inspect(orders: readonly Partial<ToldOrder>[], before: SkuJson, after = before): void {
    this.glance(before);
    const lines = (line: SkuJson) =>
      new Map([['s/a', line], ...others.map(({ sale, sku }) => [`${sale}/${sku}`, unsold] as const)]);
    this.judge.inspects(
      orders.map((changes) => ({ ...this.order, ...changes })),
      lines(before),
      lines(after),
      this.told(200, {}),
    );
  }

  /** Everybody has heard all that he will hear; what is wrong then. */
  ends(): readonly string[] {
    for (const click of [this.click, this.#secondClick]) {
      if (click !== undefined && click.refusedAt === undefined) this.judge.clicked(click, 20_000);
    }
    this.judge.concludes();
    return this.judge.wrongs;
  }
}

export const right: SkuJson = { ...unsold, available: 8, held: 2 };
export const sold: SkuJson = { ...unsold, available: 8, confirmed: 2 };
/** With a unit that another buyer holds. */
export const both: SkuJson = { ...unsold, available: 7, held: 3 };

export const confirmed = { status: 'confirmed', expiresAt: null } as const;
export const cancelled = { status: 'cancelled', expiresAt: null } as const;

/** Time for the hold to run out. */
export const holdMs = 1_200;

/** His hold runs out, he hears of it, and somebody buys nearly all that there is. */
export function losesHisUnits(story: Story): void {
  story.waits(holdMs).step('read', { ...story.order, status: 'expired' });
  story.sell({}, 'v', 9);
}

/** By what is wrong with it: a story, and the sentences that the judge must find for it, no more and no fewer. */
export type WrongStories = Record<string, readonly [RegExp | readonly RegExp[], (story: Story) => void]>;

/** A test of each. */
export function areFoundWrong(of: string, stories: WrongStories): void {
  describe(`of ${of}:`, () => {
    test.each(Object.keys(stories))('%s is wrong', (name) => {
      const [sentences, tell] = stories[name]!;
      const story = new Story();
      tell(story);
      expect(story.ends()).toEqual([sentences].flat().map((sentence) => expect.stringMatching(sentence)));
    });
  });
}
