/**
 * The judge of the torture tests is judged: a right story has nothing wrong, and each broken promise is found and named.
 * Each of the judge's claims has a story here that it alone finds wrong.
 */
import { expect, test } from 'vitest';
import {
  areFoundWrong,
  ask,
  both,
  cancelled,
  confirmed,
  holdMs,
  losesHisUnits,
  right,
  Story,
  sold,
  type WrongStories,
} from './story.js';

const rightStories: Record<string, (story: Story) => void> = {
  'a replay': (story) => {
    story.click.tries = 2;
    story.place(200);
  },
  'a confirmation in time': (story) => {
    story.step('confirm', confirmed);
    story.inspect([confirmed], sold);
  },
  'a late confirmation with units that are there': (story) => {
    story.waits(holdMs).step('read', { ...story.order, status: 'expired' });
    story.step('confirm', { ...confirmed, reacquired: true });
  },
  'a late confirmation refused for units that are gone': (story) => {
    losesHisUnits(story);
    story.refuse('confirm', 'order_expired');
  },
  'refusals that had to be': (story) => {
    story.turnAway('insufficient_stock', 9, 'v');
    story.turnAway('limit_reached', 2, 'u');
    story.inspect([{}], right);
  },
  'a cancelled order, which counts against no limit': (story) => {
    story.step('cancel', cancelled);
    story.sell({}, 'u', 3);
    story.inspect([cancelled, story.second], both);
  },
  'an order that a listing shows before its buyer hears of it': (story) => {
    const click = story.presses('v', 1);
    click.cutOff = true;
    click.tries = 2;
    story.inspect([{}, story.second], both);
    story.judge.placed(click, story.told(200, story.second, true));
  },
  'a restock that nobody has heard of, and then one has': (story) => {
    const restock = story.restock(5);
    const more = { ...right, total: 15, available: 13 };
    story.glance(right).glance(more);
    story.judge.restocked(restock, story.told(200, more));
    story.glance(more);
  },
};

test.each(Object.keys(rightStories))('%s is right', (name) => {
  const story = new Story();
  rightStories[name]!(story);
  expect(story.ends()).toEqual([]);
});

const ofClicks: WrongStories = {
  'an order for something else': [
    /^k-2 .* is not what was asked for$/,
    (story) => story.sell({ quantity: 3 }),
  ],
  'a replay that is answered 201': [
    /^k .* 201 .*, replayed: true$/,
    (story) => {
      story.click.tries = 2;
      story.judge.placed(story.click, story.told(201, story.order, true));
    },
  ],
  'a new order that is answered 200': [
    /^k-2 .* 200 .*, replayed: false$/,
    (story) => story.judge.placed(story.presses('v', 1), story.told(200, story.second)),
  ],
  'a second order for a key': [
    /^k .* beside o-1$/,
    (story) =>
      story.judge.placed(story.click, story.told(201, { ...story.order, orderId: 'o-2', sequence: 2 })),
  ],
  'an order that is given to another key': [
    /^k-2 .* is k's$/,
    (story) => {
      const click = story.presses('u', 2);
      click.tries = 2;
      story.judge.placed(click, story.told(200, story.order, true));
    },
  ],
  'a replay of nothing': [/^k .* is a replay of nothing$/, (story) => story.place(200)],
  'an order made before it was asked for': [
    /^k-2 .* was not made between question and answer$/,
    (story) => story.sell(story.madeLater(-500)),
  ],
  'an order made after it was answered': [
    /^k-2 .* was not made between question and answer$/,
    (story) => story.sell(story.madeLater(500)),
  ],
  'an order that is born cancelled': [/^k-2 .* is new$/, (story) => story.sell(cancelled)],
  'a refusal of a key that has its order': [
    /^k .* 409 .*, though it has its order$/,
    (story) => story.judge.placed(story.click, story.told(409, { code: 'limit_reached' })),
  ],
  'a key with another body that is refused for another reason': [
    /^k with another body: 422 /,
    (story) => story.judge.misused(story.click, story.told(422, { code: 'limit_reached' })),
  ],
  'a key with another body that is answered as another refusal is': [
    /^k with another body: 409 /,
    (story) => story.judge.misused(story.click, story.told(409, { code: 'idempotency_conflict' })),
  ],
  'a question that was never answered': [
    /^other was never answered$/,
    (story) => {
      story.judge.clicks(ask, 'other', 2_000);
    },
  ],
  'an order of a key that was refused in the end': [
    /^o-2 has no key$/,
    (story) => {
      const click = story.presses('v', 2);
      click.cutOff = true;
      story.inspect([{}, { ...story.second, quantity: 2 }], { ...right, available: 6, held: 4 });
      const told = story.told(409, { code: 'limit_reached' });
      story.judge.placed(click, told);
      story.judge.clicked(click, told.answeredAt);
    },
  ],
};

const ofOrders: WrongStories = {
  'a sale that changes': [/"sale":"t".* was /, (story) => story.step('read', { ...story.order, sale: 't' })],
  'a SKU that changes': [/"sku":"b".* was /, (story) => story.step('read', { ...story.order, sku: 'b' })],
  'a buyer that changes': [
    /"buyer":"v".* was /,
    (story) => story.step('read', { ...story.order, buyer: 'v' }),
  ],
  'a quantity that changes': [
    /"quantity":3.* was /,
    (story) => story.step('read', { ...story.order, quantity: 3 }),
  ],
  'a sequence that changes': [
    /"sequence":2.* was /,
    (story) => story.step('read', { ...story.order, sequence: 2 }),
  ],
  'a time that changes': [/ was /, (story) => story.step('read', { ...story.order, ...story.madeLater(1) })],
  'a durability that changes': [
    /"durability":"commit".* was /,
    (story) => story.step('read', { ...story.order, durability: 'commit' }),
  ],
  'a hold without a deadline': [/: its deadline should be \d{4}-/, (story) => story.step('read', {})],
  'a confirmed order with a deadline': [
    /: its deadline should be null$/,
    (story) => story.step('confirm', { ...story.order, status: 'confirmed' }),
  ],
  'an expired order that is reacquired': [
    /: reacquired, not confirmed$/,
    (story) => {
      story.judge.asks('confirm', 'o-1');
      story.waits(holdMs).step('read', { status: 'expired', reacquired: true });
    },
  ],
  'an expiry before its time': [
    / before its deadline$/,
    (story) => story.step('read', { ...story.order, status: 'expired' }),
  ],
  'a late confirmation before its time': [
    / before its deadline$/,
    (story) => story.step('confirm', { ...confirmed, reacquired: true }),
  ],
  'a hold long after its deadline': [
    / long after its deadline$/,
    (story) => story.waits(9_000).step('read', story.order),
  ],
  'a confirmation that nobody asked for': [
    /^o-1 is confirmed, .*: nobody asked$/,
    (story) => story.step('read', confirmed),
  ],
  'a late confirmation that nobody asked for': [
    /^o-1 is reacquired, .*: nobody asked$/,
    (story) => story.waits(holdMs).step('read', { ...confirmed, reacquired: true }),
  ],
  'a cancellation that nobody asked for': [
    /^o-1 is cancelled, .*: nobody asked$/,
    (story) => story.step('read', cancelled),
  ],
  'a confirmed order that is held again': [
    /^o-1 is held, having been held,confirmed, and is so again$/,
    (story) => {
      story.step('confirm', confirmed);
      story.step('read', story.order);
    },
  ],
  'a confirmed order that is cancelled': [
    /^o-1 is cancelled, having been held,confirmed$/,
    (story) => {
      story.step('confirm', confirmed);
      story.step('cancel', cancelled);
    },
  ],
  'a cancelled order that is confirmed': [
    /^o-1 is confirmed, having been held,cancelled$/,
    (story) => {
      story.step('cancel', cancelled);
      story.step('confirm', confirmed);
    },
  ],
  'an expired order that is confirmed and not reacquired': [
    /^o-1 is confirmed, having been held,expired$/,
    (story) => {
      story.waits(holdMs).step('read', { ...story.order, status: 'expired' });
      story.step('confirm', confirmed);
    },
  ],
};

const ofSteps: WrongStories = {
  'a step that is answered with another order': [
    /^read of o-1: 200 .*"o-2"/,
    (story) => {
      story.sell();
      story.step('read', story.second);
    },
  ],
  'a confirmation that leaves the order held': [
    /^confirm of o-1: 200 /,
    (story) => story.step('confirm', story.order),
  ],
  'a cancellation that leaves the order held': [
    /^cancel of o-1: 200 /,
    (story) => story.step('cancel', story.order),
  ],
  'a reading that is refused': [
    /^read of o-1: 409 /,
    (story) => story.waits(holdMs).refuse('read', 'order_expired'),
  ],
  'a refusal with another status': [
    /^cancel of o-1: 404 /,
    (story) => story.waits(holdMs).refuse('cancel', 'order_expired', { status: 404 }),
  ],
  'a refusal that knows no reason': [/^confirm of o-1: 409 /, (story) => story.refuse('confirm', 'sold_out')],
  'a refused confirmation without a refund': [
    /^confirm of o-1: .*: refund\?$/,
    (story) => {
      losesHisUnits(story);
      story.refuse('confirm', 'order_expired', { refundRequired: false });
    },
  ],
  'a refused cancellation with a refund': [
    /^cancel of o-1: .*: refund\?$/,
    (story) => story.waits(holdMs).refuse('cancel', 'order_expired', { refundRequired: true }),
  ],
  'a cancellation refused for an order that is cancelled': [
    /^cancel of o-1: 409 /,
    (story) => story.refuse('cancel', 'order_cancelled'),
  ],
  'a confirmation refused for a cancellation that nobody asked for': [
    /^o-1 is cancelled, .*: nobody asked$/,
    (story) => story.refuse('confirm', 'order_cancelled'),
  ],
  'a confirmation refused for an order that is confirmed': [
    /^confirm of o-1: 409 /,
    (story) => story.refuse('confirm', 'order_confirmed'),
  ],
  'a cancellation refused for a confirmation that nobody asked for': [
    /^cancel of o-1: 409 /,
    (story) => story.refuse('cancel', 'order_confirmed'),
  ],
};

areFoundWrong('a click', ofClicks);
areFoundWrong('an order', ofOrders);
areFoundWrong('a step', ofSteps);
