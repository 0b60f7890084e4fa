/** The verdict on hand-made storms: each promise broken once, and each innocent explanation accepted. */
import { describe, expect, test } from 'vitest';
import type {
  Answer,
  Attempt,
  Click,
  Evidence,
  Round,
  SkuCounters,
} from '../../dist/cli/simulate/evidence.js';
import { judge } from '../../dist/cli/simulate/verdict.js';

const sku = 'phone-1';

interface Told {
  readonly sequence: number;
  readonly orderId?: string;
  readonly quantity?: number;
  readonly buyer?: string;
  readonly replayed?: boolean;
}

/** Builds evidence of one SKU, click by click, each sent after the one before was answered. */
class Story {
  readonly attempts: Attempt[] = [];
  #now = 0;
  readonly #stock: number;
  readonly #limit: number | undefined;

  constructor(stock: number, limit?: number) {
    this.#stock = stock;
    this.#limit = limit;
  }

  click(answer: Answer, round: Round = 'storm'): Click {
    const sentAt = this.#now + 1;
    this.#now = sentAt + 1;
    return { round, sentAt, answeredAt: this.#now, answer };
  }

  told(buyer: string, quantity: number, told: Told): Answer {
    const { sequence, replayed = false } = told;
    const orderId = told.orderId ?? `order-${sequence}`;
    const order = { orderId, sku, buyer: told.buyer ?? buyer, quantity: told.quantity ?? quantity, sequence };
    return { kind: 'order', order, replayed };
  }

  attempt(buyer: string, quantity: number, clicks: Click[], more: Partial<Attempt> = {}): this {
    const key = `${buyer}-${this.attempts.length}`;
    const plain = { settlement: 'none', mayHaveExpired: false } as const;
    this.attempts.push({ key, buyer, skuIndex: 0, quantity, clicks, ...plain, ...more });
    return this;
  }

  buys(buyer: string, quantity: number, sequence: number, more: Partial<Attempt> = {}): this {
    return this.attempt(buyer, quantity, [this.click(this.told(buyer, quantity, { sequence }))], more);
  }

  isRefused(buyer: string, quantity: number, code = 'sold_out', round: Round = 'storm'): this {
    return this.attempt(buyer, quantity, [this.click({ kind: 'refused', code }, round)]);
  }

  judge(counters: Partial<SkuCounters>, brokenGlimpses: readonly SkuCounters[] = []) {
    const offered = { sku, stock: this.#stock, limitPerBuyer: this.#limit };
    const total = { sku, total: this.#stock, available: 0, held: 0, confirmed: 0 };
    const evidence: Evidence = {
      skus: [offered],
      attempts: this.attempts,
      counters: [{ ...total, ...counters }],
      brokenGlimpses,
    };
    const { verdict, findings, notes } = judge(evidence);
    return { verdict, text: findings.map((finding) => finding.text).join('\n'), notes };
  }
}

describe('an exact sale', () => {
  test('sells everything and refuses the rest', () => {
    const story = new Story(2).buys('a', 1, 1).buys('b', 1, 2).isRefused('c', 1);
    expect(story.judge({ held: 2 })).toEqual({ verdict: 'exact', text: '', notes: [] });
  });

  test('may keep units that nobody asked for', () => {
    expect(new Story(5).buys('a', 2, 1).judge({ available: 3, held: 2 }).verdict).toBe('exact');
  });

  test('may keep a remainder smaller than what was refused', () => {
    const story = new Story(3).buys('a', 2, 1).isRefused('b', 2, 'insufficient_stock');
    expect(story.judge({ available: 1, held: 2 }).verdict).toBe('exact');
  });

  test('may leave units over that were cancelled after everybody had been refused', () => {
    const story = new Story(1).buys('a', 1, 1, { settlement: 'cancelled' }).isRefused('b', 1);
    expect(story.judge({ available: 1 }).verdict).toBe('exact');
  });

  test('counts a replay as the same order', () => {
    const story = new Story(1);
    const first = story.click(story.told('a', 1, { sequence: 1 }));
    const again = story.click(story.told('a', 1, { sequence: 1, replayed: true }));
    expect(story.attempt('a', 1, [first, again]).judge({ held: 1 }).verdict).toBe('exact');
  });

  test('serves in the last call whom the storm refused', () => {
    const story = new Story(1).buys('a', 1, 1, { settlement: 'cancelled' });
    const refused = story.click({ kind: 'refused', code: 'sold_out' });
    const served = story.click(story.told('b', 1, { sequence: 2 }), 'lastCall');
    expect(story.attempt('b', 1, [refused, served]).judge({ held: 1 }).verdict).toBe('exact');
  });
});

describe('oversold', () => {
  test('when more units were acknowledged than offered, whatever the server says', () => {
    const { verdict, text } = new Story(1).buys('a', 1, 1).buys('b', 1, 2).judge({ held: 1 });
    expect(verdict).toBe('oversold');
    expect(text).toContain('acknowledgements for 2 units of 1');
  });

  test('when the server counts more sold than offered', () => {
    expect(new Story(1).buys('a', 1, 1).judge({ available: -1, held: 2 }).verdict).toBe('oversold');
  });

  test('when two orders of one key exceed the stock', () => {
    const story = new Story(1);
    const clicks = [1, 2].map((sequence) => story.click(story.told('a', 1, { sequence })));
    const { verdict, text } = story.attempt('a', 1, clicks).judge({ held: 1 });
    expect(verdict).toBe('oversold');
    expect(text).toContain('1 idempotency key got more than one order');
  });

  test('when a reading during the storm shows fewer than no units', () => {
    const glimpse = { sku, total: 1, available: -1, held: 2, confirmed: 0 };
    expect(new Story(1).buys('a', 1, 1).judge({ held: 1 }, [glimpse]).verdict).toBe('oversold');
  });

  test('but not when the units of a cancelled order were sold again', () => {
    const story = new Story(1).buys('a', 1, 1, { settlement: 'cancelled' }).buys('b', 1, 2);
    expect(story.judge({ held: 1 }).verdict).toBe('exact');
  });
});

describe('undersold', () => {
  test('when somebody was refused although units were left', () => {
    const { verdict, text } = new Story(2).buys('a', 1, 1).isRefused('b', 1).judge({ available: 1, held: 1 });
    expect(verdict).toBe('undersold');
    expect(text).toContain('1 unit left at the end');
  });

  test('when a smaller order than what is left was refused as too large', () => {
    const story = new Story(5).buys('a', 1, 1).isRefused('b', 3, 'insufficient_stock');
    expect(story.judge({ available: 4, held: 1 }).verdict).toBe('undersold');
  });

  test('when the last call refuses units that came back before it', () => {
    const story = new Story(1).buys('a', 1, 1, { settlement: 'cancelled' });
    story.isRefused('b', 1, 'sold_out', 'lastCall');
    expect(story.judge({ available: 1 }).verdict).toBe('undersold');
  });

  test('when units are counted sold that nobody got, while buyers went without', () => {
    const { verdict, text } = new Story(3).buys('a', 1, 1).isRefused('b', 1).judge({ held: 3 });
    expect(verdict).toBe('undersold');
    expect(text).toContain('buyers were told of at most 1');
  });
});

describe('a contradiction', () => {
  test('an acknowledged order is missing from the counts', () => {
    const { verdict, text } = new Story(5).buys('a', 1, 1).buys('b', 1, 2).judge({ available: 4, held: 1 });
    expect(verdict).toBe('contradiction');
    expect(text).toContain('acknowledged orders were lost');
  });

  test('the counters do not add up', () => {
    const { verdict, text } = new Story(5).buys('a', 1, 1).judge({ available: 3, held: 1 });
    expect(verdict).toBe('contradiction');
    expect(text).toContain('do not add up');
  });

  test('a confirmed order is still counted as held', () => {
    const { text } = new Story(1).buys('a', 1, 1, { settlement: 'confirmed' }).judge({ held: 1 });
    expect(text).toContain('0 confirmed, but buyers confirmed 1');
  });

  test('one order is given to two keys', () => {
    const story = new Story(2).buys('a', 1, 1);
    const stolen = story.click(story.told('a', 1, { sequence: 1 }));
    expect(story.attempt('a', 1, [stolen]).judge({ available: 1, held: 1 }).text).toContain('more than one');
  });

  test('a repeated click is answered as new', () => {
    const story = new Story(1);
    const clicks = [0, 1].map(() => story.click(story.told('a', 1, { sequence: 1 })));
    expect(story.attempt('a', 1, clicks).judge({ held: 1 }).text).toContain('as new, not as replayed');
  });

  test('a key is refused after it got its order', () => {
    const story = new Story(1);
    const clicks = [
      story.click(story.told('a', 1, { sequence: 1 })),
      story.click({ kind: 'refused', code: 'sold_out' }),
    ];
    expect(story.attempt('a', 1, clicks).judge({ held: 1 }).text).toContain('same idempotency key');
  });

  test('the answer is for another quantity', () => {
    const story = new Story(3);
    const click = story.click(story.told('a', 1, { sequence: 1, quantity: 2 }));
    const { text } = story.attempt('a', 1, [click]).judge({ available: 1, held: 2 });
    expect(text).toContain('another SKU, buyer or quantity');
  });

  test('a sequence number is left out', () => {
    const { text } = new Story(2).buys('a', 1, 1).buys('b', 1, 3).judge({ held: 2 });
    expect(text).toContain('sequence numbers reach 3 with 2 orders told');
  });

  test('a sequence number is given twice', () => {
    const story = new Story(2).buys('a', 1, 1);
    const second = story.click(story.told('b', 1, { sequence: 1, orderId: 'other' }));
    expect(story.attempt('b', 1, [second]).judge({ held: 2 }).text).toContain('given twice');
  });

  test('a later buyer is decided before an earlier one', () => {
    const { text } = new Story(2).buys('a', 1, 2).buys('b', 1, 1).judge({ held: 2 });
    expect(text).toContain('larger sequence number');
  });

  test('somebody is served after others were refused, though nothing came back', () => {
    const { verdict, text } = new Story(1).isRefused('a', 1).buys('b', 1, 1).judge({ held: 1 });
    expect(verdict).toBe('contradiction');
    expect(text).toContain('no unit came back');
  });

  test('a buyer gets more than the limit', () => {
    const { text } = new Story(5, 1).buys('a', 1, 1).buys('a', 1, 2).judge({ available: 3, held: 2 });
    expect(text).toContain('more than the limit of 1');
  });

  test('a buyer is refused for a limit he has not reached', () => {
    const { text } = new Story(5, 2).isRefused('a', 1, 'limit_reached').judge({ available: 5 });
    expect(text).toContain('below the limit of 2');
  });

  test('a cancelled order still counts toward the limit of nobody', () => {
    const story = new Story(5, 1).buys('a', 1, 1, { settlement: 'cancelled' }).buys('a', 1, 2);
    expect(story.judge({ available: 4, held: 1 }).verdict).toBe('exact');
  });

  test('a refusal has a code for which there was no reason', () => {
    expect(new Story(1).isRefused('a', 1, 'paused').judge({ available: 1 }).text).toContain('paused');
  });

  test('an order that is held cannot be confirmed', () => {
    const story = new Story(1).buys('a', 1, 1, { settlement: { refused: 'order_expired' } });
    expect(story.judge({ held: 1 }).text).toContain('order_expired');
  });
});

describe('what cannot be known', () => {
  test('an order without an answer may or may not be counted', () => {
    for (const sold of [1, 2]) {
      const story = new Story(5).buys('a', 1, 1);
      story.attempt('b', 1, [story.click({ kind: 'unknown' })]);
      const { verdict, notes } = story.judge({ available: 5 - sold, held: sold });
      expect(verdict).toBe('exact');
      expect(notes).toHaveLength(1);
    }
  });

  test('it explains one gap in the sequence, not two', () => {
    const story = new Story(5).buys('a', 1, 1);
    story.attempt('b', 1, [story.click({ kind: 'unknown' })]).buys('c', 1, 3);
    expect(story.judge({ available: 2, held: 3 }).verdict).toBe('exact');
    expect(story.buys('d', 1, 5).judge({ available: 1, held: 4 }).verdict).toBe('contradiction');
  });

  test('a later refusal of the same key clears the doubt', () => {
    const story = new Story(1).buys('a', 1, 1);
    const clicks = [story.click({ kind: 'unknown' }), story.click({ kind: 'refused', code: 'sold_out' })];
    const { verdict, notes } = story.attempt('b', 1, clicks).judge({ held: 1 });
    expect({ verdict, notes }).toEqual({ verdict: 'exact', notes: [] });
  });

  test('a click that was shed did nothing', () => {
    const story = new Story(2).buys('a', 1, 1);
    story.attempt('b', 1, [story.click({ kind: 'shed' })]);
    expect(story.judge({ available: 1, held: 1 }).verdict).toBe('exact');
    expect(story.judge({ held: 2 }).verdict).toBe('undersold');
  });

  test('a hold that may have expired may be counted or be back', () => {
    for (const held of [0, 1]) {
      const story = new Story(1).buys('a', 1, 1, { mayHaveExpired: true }).isRefused('b', 1);
      expect(story.judge({ available: 1 - held, held }).verdict).toBe('exact');
    }
  });

  test('a confirmation or cancellation without an answer may have happened or not', () => {
    for (const confirmed of [0, 1]) {
      const story = new Story(1).buys('a', 1, 1, { settlement: 'confirmUnknown' });
      expect(story.judge({ held: 1 - confirmed, confirmed }).verdict).toBe('exact');
    }
    for (const available of [0, 1]) {
      const story = new Story(1).buys('a', 1, 1, { settlement: 'cancelUnknown' });
      expect(story.judge({ available, held: 1 - available }).verdict).toBe('exact');
    }
  });
});
