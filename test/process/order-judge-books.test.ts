/** The judge of the torture tests is judged by stories of refusals and of what the books say: each wrong one is named. */

import { areFoundWrong, both, cancelled, holdMs, right, sold, unsold, type WrongStories } from './story.js';

const ofRefusals: WrongStories = {
  'a refund for units that are there': [
    /^confirm of o-1: .*: at least 10 were left, and he had 0 at most$/,
    (story) => story.waits(holdMs).refuse('confirm', 'order_expired'),
  ],
  'sold out while some are left': [
    /^v 1 .*sold_out.*: at least 8 were left/,
    (story) => story.turnAway('sold_out', 1, 'v'),
  ],
  'too few while there are enough': [
    /^v 3 .*insufficient_stock.*: at least 8 were left/,
    (story) => story.turnAway('insufficient_stock', 3, 'v'),
  ],
  'too few for one who wants one': [
    /^w 1 .*insufficient_stock.*: at least 0 were left/,
    (story) => {
      story.sell({}, 'v', 8);
      story.turnAway('insufficient_stock', 1, 'w');
    },
  ],
  'a limit that is not reached': [
    /^u 1 .*limit_reached.*, and he had 2 at most$/,
    (story) => story.turnAway('limit_reached', 1, 'u'),
  ],
  'a refusal for no reason there is': [/^v 1 .*no_reason/, (story) => story.turnAway('no_reason', 1, 'v')],
  'a withdrawal refused while units are there': [
    /^r \(s\/a by -8\): .*: at least 8 were left/,
    (story) => story.judge.restocked(story.restock(-8), story.told(409, { code: 'insufficient_stock' })),
  ],
  'a withdrawal refused for another reason': [
    /^r \(s\/a by -9\): 409 .*limit_reached"}$/,
    (story) => story.judge.restocked(story.restock(-9), story.told(409, { code: 'limit_reached' })),
  ],
  // It is no withdrawal, and no lack of units explains it.
  'a restock that is refused': [
    [/^r \(s\/a by 5\): 409 .*}$/, /^r \(s\/a by 5\): 409 .*: at least 8 were left/],
    (story) => story.judge.restocked(story.restock(5), story.told(409, { code: 'insufficient_stock' })),
  ],
};

const ofBooks: WrongStories = {
  'counters that do not add up': [/does not add up$/, (story) => story.glance({ ...right, available: 9 })],
  'a counter below zero': [
    /does not add up$/,
    (story) => story.glance({ ...unsold, available: -1, held: 9, confirmed: 2 }),
  ],
  'a limit that is not the declared one': [
    /: another limit$/,
    (story) => story.glance({ ...right, limitPerBuyer: 4 }),
  ],
  'units that nobody added': [
    /: total not from 10 to 10$/,
    (story) => story.glance({ ...right, total: 11, available: 9 }),
  ],
  'added units that are not there': [
    /: total not from 15 to 15$/,
    (story) => {
      story.judge.restocked(story.restock(5), story.told(200, {}));
      story.glance(right);
    },
  ],
  'an acknowledged order that is lost': [
    /^o-1 was acknowledged and is lost$/,
    (story) => story.inspect([], unsold),
  ],
  // Two orders with one sequence are a gap as well.
  'an order that is listed twice': [
    [/^an order is listed twice$/, /^sequences of a have gaps$/],
    (story) => {
      story.step('cancel', cancelled);
      story.inspect([cancelled, cancelled], unsold);
    },
  ],
  'an order that nobody asked for': [
    /^s\/a v 1: 1 that nobody asked for$/,
    (story) => {
      const click = story.presses('v', 1);
      story.inspect([{}, story.second], both);
      click.tries = 2;
      story.judge.placed(click, story.told(200, story.second, true));
    },
  ],
  'fewer held than the orders say': [
    /^orders: 2 held, 0 confirmed; /,
    (story) => story.inspect([{}], { ...unsold, available: 9, held: 1 }),
  ],
  'more held afterwards than the orders say': [
    /^orders: 2 held, 0 confirmed; /,
    (story) => story.inspect([{}], right, both),
  ],
  'more confirmed than the orders say': [
    /^orders: 2 held, 0 confirmed; /,
    (story) => story.inspect([{}], { ...right, available: 7, confirmed: 1 }),
  ],
  'more confirmed afterwards than the orders say': [
    /^orders: 2 held, 0 confirmed; /,
    (story) => story.inspect([{}], right, sold),
  ],
  'a total that changes while nobody restocks': [
    /^orders: 2 held, 0 confirmed; /,
    (story) => story.inspect([{}], right, { ...right, total: 11, available: 9 }),
  ],
  'a gap in the sequences': [
    /^sequences of a have gaps$/,
    (story) => {
      story.sell({ sequence: 3 });
      story.inspect([{}, { ...story.second, sequence: 3 }], both);
    },
  ],
  'a later order that is the older one': [
    /^a: a later order is the older one$/,
    (story) => {
      const older = story.madeLater(-50);
      story.sell(older);
      story.inspect([{}, { ...story.second, ...older }], both);
    },
  ],
  'an order that overtakes one': [/^o-1 \(1\) was overtaken$/, (story) => story.sell({ sequence: 0 })],
  'a limit that is passed': [
    /^u has 4 of a, the limit is 3$/,
    (story) => {
      story.sell({}, 'u', 2);
      story.inspect([{}, story.second], { ...right, available: 6, held: 4 });
    },
  ],
};

areFoundWrong('a refusal', ofRefusals);
areFoundWrong('the books', ofBooks);
