/**
 * A shard turned by its loop, over rings and a store, beside the model: with several lives on one data folder, crashes
 * and a clock that is set back.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { Counters, ShardCount } from '../../dist/memory/counters.js';
import { ShardState as Lifecycle, ThreadTable } from '../../dist/memory/thread-table.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { effort } from '../support/effort.js';
import { runs, seeded } from '../support/random.js';
import type { Place } from '../support/requests.js';
import { ShardModel } from '../support/shard-model.js';
import { makeTempDir, removeTempDir } from '../support/temp-dir.js';
import { changeMax, flushDelayMs, LoopShard, Traffic } from './loop-shard.js';
import { anyAction, onSale, ordinary, startMs, waitMs } from './model-actions.js';
import { acceptForeignKey, compare, compareHolds, queryOf } from './model-compare.js';
import { Operator } from './operator.js';

describe(seeded('a shard turned by its loop, over rings and a store'), () => {
  const folder = makeTempDir();
  afterAll(() => removeTempDir(folder));
  let folders = 0;

  const turn = fc.record({
    waitMs,
    /** By acceptor. Operators speak through the first. */
    actions: fc.tuple(
      fc.array(anyAction, { maxLength: 6 }),
      fc.array(ordinary, { maxLength: 10, size: 'max' }),
    ),
    /** Which acceptors take their replies. */
    drains: fc.tuple(fc.nat(2), fc.nat(2)).map((drains) => drains.map((n) => n > 0)),
  });
  const life = fc.record({
    /** fsync or commit. */
    durability: fc.nat(1),
    turns: fc.array(turn, { maxLength: 12, size: 'max' }),
    crashes: fc.boolean(),
    /** The wall clock may have been set back while nobody was running. */
    clockBackMs: fc.constantFrom(0, 0, 5_000),
  });

  test('answers and counts as the model does, also after closing and after crashes', async () => {
    const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
      const model = new ShardModel(60);
      const operator = new Operator();
      let path = join(folder, `${folders++}`);
      let clockMs = startMs;
      let nowMs = 0;
      for (const { durability, turns, crashes, clockBackMs } of lives) {
        model.durability = durability;
        model.foreignState = 'open';
        // Freezing is not journalled: the engine that asked for it is gone as well.
        for (const one of model.sales.values()) one.frozen = false;
        const shard = await LoopShard.open({ path, durability, clock: () => clockMs });
        let lastCommitMs = shard.store.lastTimeMs;
        expect(lastCommitMs).toBeLessThanOrEqual(nowMs);
        nowMs = lastCommitMs;
        for (const name of model.foreignKeys) {
          const [saleNumber, buyerName, text] = JSON.parse(name) as [number, string | null, string];
          shard.foreign.insert(queryOf(shard.state, saleNumber, buyerName ?? undefined, text), 0);
        }
        compare(shard.state, model);
        const traffic = new Traffic(model, shard);
        // A change that was cut off is finished as the engine does it when it starts.
        for (const request of operator.finish(false)) traffic.send(0, request);
        const threads = new ThreadTable(shard.memory.threads, shard.memory.shards);
        for (const one of turns) {
          clockMs += one.waitMs;
          nowMs = Math.max(nowMs, clockMs);
          // A change to a sale is one piece here, in a ring of its own: whether it goes on depends on its freezing.
          const whole = () => traffic.isEmpty(0) && traffic.hasRoomForReplies(0, changeMax);
          if (whole()) for (const request of operator.finish()) traffic.send(0, request);
          for (const [acceptor, actions] of one.actions.entries()) {
            for (const action of actions) {
              const change = ['put', 'freeze', 'redefine'].includes(action.kind);
              if (change ? !whole() : !traffic.hasRoom(acceptor)) continue;
              for (const request of operator.requestsOf(action, model, nowMs))
                traffic.send(acceptor, request);
              // What is under way to the shard was decided on before.
              if (!traffic.isEmpty(0) || !traffic.isEmpty(1)) continue;
              if (action.kind === 'foreign state') {
                model.foreignState = action.state;
                if (action.state === 'rebuilding') threads.begin(1);
                else threads.setKeysWhole(1);
                threads.setState(1, action.state === 'open' ? Lifecycle.open : Lifecycle.recovering);
              }
              acceptForeignKey(model, shard.state, shard.foreign, action);
            }
          }

          traffic.turn(nowMs);
          compare(shard.state, model);
          for (const [acceptor, drains] of one.drains.entries()) if (drains) traffic.drain(acceptor);
          lastCommitMs = shard.store.lastTimeMs;
        }
        // What was sent is answered before the end: a request in a ring has no life after its shard.
        while (!traffic.isEmpty(0) || !traffic.isEmpty(1)) {
          traffic.drain(0);
          traffic.drain(1);
          traffic.turn(nowMs);
        }
        compare(shard.state, model);
        if (crashes) {
          const copy = join(folder, `${folders++}`);
          cpSync(path, copy, { recursive: true });
          path = copy;
        }
        await shard.store.close();
        const counters = new Counters(shard.memory.counters, 0);
        expect(counters.read(ShardCount.commits) > 0).toBe(counters.read(ShardCount.entries) > 0);
        clockMs -= clockBackMs;
      }
      const last = await LoopShard.open({ path, durability: 0, clock: () => clockMs });
      await last.store.close();
      compare(last.state, model, false);
      compareHolds(last.state, model);
    });
    await fc.assert(property, runs(effort(40, 120)));
  });

  test('answers a batch of more requests than it looks ahead at, each one, in the order in which they came', async () => {
    const model = new ShardModel(60);
    const path = join(folder, `${folders++}`);
    const inFlightMax = 4 * limits.lookAheadLanes;
    const shard = await LoopShard.open({ path, durability: 0, clock: () => startMs, inFlightMax });
    const traffic = new Traffic(model, shard);
    traffic.send(0, { ...onSale, total: 50, limit: 0 });
    const order = { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, key: '' } as const;
    for (let i = 0; i < 3 * limits.lookAheadLanes; i++) traffic.send(0, { ...order, buyer: `u-${i}` });
    for (let i = 0; i < 3 * limits.lookAheadLanes; i++) traffic.send(1, { ...order, buyer: `v-${i}` });
    traffic.turn(startMs);
    traffic.drain(0);
    traffic.drain(1);
    expect(model.units(0)).toEqual({ total: 50, available: 0, held: 0, confirmed: 50 });
    await shard.store.close();
  });

  test('brings an order to disk in time though the wall clock was set back before the start', async () => {
    const path = join(folder, `${folders++}`);
    let clockMs = startMs;
    const before = await LoopShard.open({ path, durability: 1, clock: () => clockMs });
    const early = new Traffic(new ShardModel(60), before);
    early.send(0, onSale);
    early.turn(startMs);
    await before.store.close();
    clockMs -= 3_600_000;
    const model = new ShardModel(60);
    model.execute(onSale, startMs);
    model.durability = 1;
    const shard = await LoopShard.open({ path, durability: 1, clock: () => clockMs });
    const traffic = new Traffic(model, shard);
    traffic.send(0, { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' });
    traffic.turn(startMs);
    expect(shard.store.flushAtMs).toBeLessThan(Number.POSITIVE_INFINITY);
    // As long as an order may wait for the disk, and a little more.
    clockMs += flushDelayMs + 1;
    shard.loop.turn();
    expect(shard.store.flushAtMs).toBe(Number.POSITIVE_INFINITY);
    await shard.store.close();
  });

  test('tells nobody of an order whose commit failed, while refusals were let go at once', async () => {
    const model = new ShardModel(60);
    const path = join(folder, `${folders++}`);
    const shard = await LoopShard.open({ path, durability: 1, clock: () => startMs });
    const traffic = new Traffic(model, shard);
    const order: Place = { op: 'place', sale: 1, row: 0, revision: 1, quantity: 1, buyer: 'u-1', key: '' };
    traffic.send(0, onSale);
    traffic.turn(startMs);
    traffic.drain(0);
    // The disk is gone: nothing can be written any more.
    await shard.store.close();
    for (const quantity of [1_000, 1]) traffic.send(0, { ...order, quantity });
    expect(() => traffic.turn(startMs)).toThrow('EBADF');
    const [replies] = shard.replies;
    const outcomes = Array.from({ length: replies!.waiting() }, (_, i) => replies!.words[replies!.at(i)]);
    expect(outcomes).toEqual([Outcome.limitReached]);
  });
});
