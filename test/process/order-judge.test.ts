/** The judge of the torture tests is judged: a right story has nothing wrong, and each broken promise is found. */
import { expect, test } from 'vitest';
import { Answer, type SkuJson } from '../support/api.js';
import { type Click, type Offer, OrderJudge, type ToldOrder } from '../support/order-judge.js';

const offer: Offer = { sale: 's', sku: 'a', holdSeconds: 1, stock: 10, limitPerBuyer: 3 };
const ask = { sale: 's', sku: 'a', buyer: 'u', quantity: 2 };
const right: SkuJson = { sku: 'a', total: 10, available: 8, held: 2, confirmed: 0, limitPerBuyer: 3 };
const sold: SkuJson = { ...right, held: 0, confirmed: 2 };

/** One SKU, a click that gets an order of two units, and whatever else is told of it. */
class Story {
  readonly judge = new OrderJudge([offer]);
  readonly click: Click;
  readonly order: ToldOrder;
  #at = 1_000;

  constructor() {
    const createdAtMs = Math.round(performance.timeOrigin + this.#at);
    this.order = {
      ...{ orderId: 'o-1', ...ask, status: 'held', sequence: 1, durability: 'fsync' },
      createdAt: new Date(createdAtMs).toISOString(),
      expiresAt: new Date(createdAtMs + 1_000).toISOString(),
    };
    this.click = this.judge.clicks(ask, 'k', this.#at);
    this.click.tries = 1;
    this.place(201, {});
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

  place(status: number, changes: Partial<ToldOrder>): void {
    this.judge.placed(this.click, this.told(status, { ...this.order, ...changes }, status === 200));
  }

  step(step: 'confirm' | 'cancel' | 'read', changes: Partial<ToldOrder>): void {
    this.judge.asks(step, 'o-1');
    const done = { ...this.order, expiresAt: null, ...changes };
    this.judge.stepped(step, 'o-1', this.told(200, done));
  }

  refuse(step: 'confirm' | 'cancel', code: string): void {
    this.judge.asks(step, 'o-1');
    const refundRequired = step === 'confirm' && code === 'order_expired' ? true : undefined;
    this.judge.stepped(step, 'o-1', this.told(409, { code, refundRequired }));
  }

  /** Another buyer's click, refused. */
  turnAway(code: string, quantity: number, buyer: string): void {
    const told = this.told(409, { code });
    const click = this.judge.clicks({ ...ask, quantity, buyer }, `${buyer} ${quantity}`, told.sentAt);
    click.tries = 1;
    this.judge.placed(click, told);
    this.judge.clicked(click, told.answeredAt);
  }

  inspect(orders: readonly Partial<ToldOrder>[], line: SkuJson = right): void {
    const lines = new Map([['s/a', line]]);
    const told = this.told(200, {});
    this.judge.glances('s', line, told);
    this.judge.inspects(
      orders.map((changes) => ({ ...this.order, ...changes })),
      lines,
      lines,
      told,
    );
  }
}

const rightStories: Record<string, (story: Story) => void> = {
  'a replay': (story) => {
    story.click.tries = 2;
    story.place(200, {});
  },
  'a confirmation in time': (story) => {
    story.step('confirm', { status: 'confirmed' });
    story.inspect([{ status: 'confirmed', expiresAt: null }], sold);
  },
  'a late confirmation with units that are there': (story) => {
    story.waits(1_200).step('read', { status: 'expired', expiresAt: story.order.expiresAt });
    story.step('confirm', { status: 'confirmed', reacquired: true });
  },
  'refusals that had to be': (story) => {
    story.turnAway('insufficient_stock', 9, 'v');
    story.turnAway('limit_reached', 2, 'u');
    story.inspect([{}]);
  },
};

test.each(Object.keys(rightStories))('%s is right', (name) => {
  const story = new Story();
  rightStories[name]!(story);
  story.judge.clicked(story.click, 9_000);
  story.judge.concludes();
  expect(story.judge.wrongs).toEqual([]);
});

const confirmed = { status: 'confirmed', expiresAt: null } as const;

const wrongStories: Record<string, (story: Story) => void> = {
  'an acknowledged order that is lost': (story) => story.inspect([], { ...right, available: 10, held: 0 }),
  'an order that nobody asked for': (story) => story.inspect([{}, { orderId: 'o-2', sequence: 2 }]),
  'a second order for a key': (story) => {
    story.click.tries = 2;
    story.place(201, { orderId: 'o-2', sequence: 2 });
  },
  'a refusal of a key that has its order': (story) =>
    story.judge.placed(story.click, story.told(409, { code: 'sold_out' })),
  'a replay of nothing': (story) => story.place(200, {}),
  'a quantity that changes': (story) => story.step('read', { quantity: 3, expiresAt: story.order.expiresAt }),
  'a sequence that changes': (story) => story.step('read', { sequence: 2, expiresAt: story.order.expiresAt }),
  'an expiry before its time': (story) =>
    story.step('read', { status: 'expired', expiresAt: story.order.expiresAt }),
  'a confirmation that nobody asked for': (story) => story.step('read', confirmed),
  'a confirmed order that is held again': (story) => {
    story.step('confirm', confirmed);
    story.step('read', { expiresAt: story.order.expiresAt });
  },
  'a cancelled order that is confirmed': (story) => {
    story.step('cancel', { status: 'cancelled' });
    story.step('confirm', confirmed);
  },
  'an expired order that is confirmed and not reacquired': (story) => {
    story.waits(1_200).step('read', { status: 'expired', expiresAt: story.order.expiresAt });
    story.step('confirm', confirmed);
  },
  'a hold long after its deadline': (story) =>
    story.waits(9_000).step('read', { expiresAt: story.order.expiresAt }),
  'a refund for units that are there': (story) => story.waits(1_200).refuse('confirm', 'order_expired'),
  'sold out while some are left': (story) => story.turnAway('sold_out', 1, 'v'),
  'too few while there are enough': (story) => story.turnAway('insufficient_stock', 3, 'v'),
  'a limit that is not reached': (story) => story.turnAway('limit_reached', 1, 'u'),
  'a limit that is passed': (story) => story.inspect([{ quantity: 4 }], { ...right, available: 6, held: 4 }),
  'counters that do not add up': (story) => story.inspect([{}], { ...right, available: 9 }),
  'counters that are not those of the orders': (story) => story.inspect([confirmed], right),
  'units that nobody added': (story) => story.inspect([{}], { ...right, total: 11, available: 9 }),
  'a gap in the sequences': (story) => story.inspect([{ sequence: 2 }]),
  'a question that was never answered': (story) => {
    story.judge.clicks(ask, 'other', 2_000);
  },
};

test.each(Object.keys(wrongStories))('%s is wrong', (name) => {
  const story = new Story();
  wrongStories[name]!(story);
  story.judge.clicked(story.click, 9_000);
  story.judge.concludes();
  expect(story.judge.wrongs).not.toEqual([]);
});
