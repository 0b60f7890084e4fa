/** What the model's runs meet too seldom: orders in one group with a definition, amid a replacement, and keys of two shards. */

import { afterEach, describe, expect, test } from 'vitest';
import { KeyTable } from '../../dist/memory/key-table.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { SaleState } from '../../dist/sale/phase.js';
import { type Define, hashSeed, type Place } from '../support/requests.js';
import { ShardModel } from '../support/shard-model.js';
import { Threads } from '../support/threads.js';
import { within } from '../support/until.js';
import { DirectShard } from './direct-shard.js';
import { keysMax, onSale, startMs } from './model-actions.js';
import { acceptForeignKey } from './model-compare.js';

describe('a definition and an order for it in one group', () => {
  const order: Place = { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' };
  const done = { outcome: Outcome.done };

  test('do not make two buyers of one, who would go over his limit', () => {
    const shard = new DirectShard(new ShardModel(60));
    shard.execute(
      [
        { request: onSale, answer: done },
        { request: order, answer: done },
      ],
      startMs,
    );
    shard.execute([{ request: order, answer: { outcome: Outcome.limitReached } }], startMs);
    expect(shard.state.buyers.count).toBe(1);
  });

  test('nor where the row belonged to another sale before', () => {
    const shard = new DirectShard(new ShardModel(60));
    shard.execute([{ request: onSale, answer: done }], startMs);
    const again: Define = { ...onSale, sale: 2, revision: 2 };
    const later: Place = { ...order, sale: 2, revision: 2 };
    shard.execute(
      [
        { request: again, answer: done },
        { request: later, answer: done },
      ],
      startMs,
    );
    shard.execute([{ request: later, answer: { outcome: Outcome.limitReached } }], startMs);
  });
});

test('a request whose buyer is hashed for another sale is a defect, and is taken for one', () => {
  const shard = new DirectShard(new ShardModel(60));
  shard.execute([{ request: onSale, answer: { outcome: Outcome.done } }], startMs);
  const order: Place = { op: 'place', sale: 2, row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' };
  const execute = () => shard.execute([{ request: order, answer: { outcome: Outcome.done } }], startMs);
  expect(execute).toThrow('a request carries the hash of its buyer');
});

describe('while a sale is being replaced', () => {
  const skus = [0, 1].map(
    (row): Define => ({
      op: 'define',
      row,
      sale: 1,
      revision: 1,
      total: 10,
      limit: 0,
      holdSeconds: 300,
      startsAtMs: startMs + 100,
      endsAtMs: Number.POSITIVE_INFINITY,
      state: SaleState.running,
      spread: false,
    }),
  );
  const done = { outcome: Outcome.done };
  const notStarted = { outcome: Outcome.notStarted };
  /** With a key, because an acceptor lets only such an order through to a sale that is not open. */
  const order: Place = { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: 'k' };

  function frozen(): DirectShard {
    const shard = new DirectShard(new ShardModel(60));
    for (const request of skus) shard.execute([{ request, answer: done }], startMs);
    shard.execute([{ request: { op: 'freeze', sale: 1 }, answer: done }], startMs + 99);
    return shard;
  }

  test('no order is taken though its time has come, nor after a SKU was removed', () => {
    const shard = frozen();
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
    shard.execute([{ request: { op: 'remove', row: 1 }, answer: done }], startMs + 100);
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
  });

  test('no order is taken for the old definition of a SKU once the new one of another has come', () => {
    const shard = frozen();
    const [first, second] = skus.map((sku) => ({ ...sku, revision: 2, startsAtMs: startMs }));
    shard.execute([{ request: second!, answer: done }], startMs + 100);
    shard.execute([{ request: order, answer: notStarted }], startMs + 100);
    shard.execute([{ request: first!, answer: done }], startMs + 100);
    shard.execute([{ request: { ...order, revision: 2 }, answer: done }], startMs + 100);
  });
});

describe('two shards with SKUs of one sale', () => {
  const threads = new Threads();
  afterEach(() => threads.stop());

  test('an order refused because another shard has its key leaves the room for keys as it was', () => {
    const model = new ShardModel(60);
    const shard = new DirectShard(model);
    shard.execute([{ request: { ...onSale, spread: true }, answer: { outcome: Outcome.done } }], startMs);
    const taken: Place = {
      op: 'place',
      sale: 1,
      row: 0,
      revision: 1,
      quantity: 1,
      buyer: 'u-1',
      key: 'key-2',
    };
    acceptForeignKey(model, shard.state, shard.foreign, {
      kind: 'foreign key',
      sale: 1,
      buyer: 'u-1',
      key: 'key-2',
    });
    const conflict = { outcome: Outcome.idempotencyConflict };
    for (let i = 0; i < 10 * keysMax; i++) shard.execute([{ request: taken, answer: conflict }], startMs);
    const another: Place = { ...taken, buyer: 'u-2' };
    shard.execute([{ request: another, answer: { outcome: Outcome.done } }], startMs);
  });

  test('never both accept an order under the same key', async () => {
    const rounds = 50_000;
    const shared = {
      tables: [KeyTable.allocate(rounds), KeyTable.allocate(rounds)],
      stock: StockTable.allocate(),
      keysMax: rounds,
      rounds,
      control: new SharedArrayBuffer(16),
      hashSeed,
    };
    const sides = [0, 1].map((side) =>
      threads.run<{ outcomes: Uint8Array; accepted: number; orders: number }>('commands-race.mjs', {
        ...shared,
        side,
      }),
    );
    const [a, b] = await within('both shards are done', Promise.all(sides), 40_000);
    const pairs = { one: 0, again: 0, both: 0, wrong: 0 };
    for (let round = 0; round < rounds; round++) {
      const outcomes = new Set([a!.outcomes[round], b!.outcomes[round]]);
      const refused = [Outcome.idempotencyConflict, Outcome.keyContended].some((code) => outcomes.has(code));
      if (outcomes.has(Outcome.done)) pairs[refused ? 'one' : 'both'] += 1;
      // Where nobody has the key, nobody is told that another one has it.
      else if (outcomes.size === 1 && outcomes.has(Outcome.keyContended)) pairs.again += 1;
      else pairs.wrong += 1;
    }
    expect(pairs).toMatchObject({ both: 0, wrong: 0 });
    expect(a!.orders + b!.orders).toBe(pairs.one);
    // Either may win: it was a race.
    expect(Math.min(a!.accepted, b!.accepted)).toBeGreaterThan(0);
  });
});
