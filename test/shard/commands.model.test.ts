/**
 * A shard's commands, called directly, against the model of test/support/shard-model.ts: random ones over a few sales,
 * SKUs, buyers and keys, so that they collide. After each group every answer and every counter is compared, and in the
 * end a state rebuilt from the journal.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { effort } from '../support/effort.js';
import { type Runs, runs, seeded } from '../support/random.js';
import type { Request } from '../support/requests.js';
import { type Answer, ShardModel } from '../support/shard-model.js';
import { DirectShard, rebuilt } from './direct-shard.js';
import { anyAction, operators, startMs, waitMs } from './model-actions.js';
import { acceptForeignKey, answered, compare, compareHolds, outcomeName } from './model-compare.js';
import { Operator } from './operator.js';

describe(seeded('commands called directly'), () => {
  const step = fc.record({
    waitMs,
    actions: fc.array(anyAction, { minLength: 1, maxLength: 5 }),
    /** Whether holds are looked through first; if not, their own deadlines must do. */
    expire: fc.boolean(),
    group: fc.constantFrom(1, 2, 5, limits.lookAheadLanes),
  });
  /** Orders at most: now and then so few that the table fills. */
  const orders = fc.constantFrom(4, 60, 60);
  // A sale or two to start with, so that most of a run is not about SKUs that do not exist.
  const opening = fc.array(
    operators.filter((action) => action.kind === 'put'),
    { minLength: 1, maxLength: 3 },
  );

  /** Runs from a seed; returns every answer that was met. */
  function answersMet(parameters: Runs): ReadonlySet<string> {
    const seen = new Set<string>();
    const property = fc.property(
      opening,
      fc.array(step, { maxLength: 30, size: 'max' }),
      orders,
      (first, steps, ordersMax) => {
        const model = new ShardModel(ordersMax);
        const shard = new DirectShard(model);
        const operator = new Operator();
        let nowMs = startMs;
        for (const one of [{ waitMs: 0, actions: first, expire: false, group: 1 }, ...steps]) {
          nowMs += one.waitMs;
          if (one.expire) {
            model.expireAll(nowMs);
            shard.expire(nowMs);
            compare(shard.state, model);
          }
          let group: { request: Request; answer: Answer }[] = [];
          const flush = () => {
            shard.execute(group, nowMs);
            compare(shard.state, model);
            group = [];
          };
          const execute = (requests: readonly Request[]) => {
            for (const request of requests) {
              const answer = answered(model, request, nowMs);
              seen.add(`${request.op} ${outcomeName(answer.outcome)}`);
              if (answer.order?.reacquired) seen.add(`${request.op} reacquired`);
              group.push({ request, answer });
              if (group.length === one.group) flush();
            }
          };
          execute(operator.finish());
          for (const action of one.actions) {
            execute(operator.requestsOf(action, model, nowMs));
            // Between groups only: a group is executed after the model has gone through it.
            if (action.kind.startsWith('foreign')) {
              flush();
              if (action.kind === 'foreign state') model.foreignState = action.state;
              acceptForeignKey(model, shard.state, shard.foreign, action);
            }
          }
          flush();
          shard.seal(nowMs);
        }
        const again = rebuilt(shard.records, ordersMax);
        compare(again, model, false);
        compareHolds(again, model);
        compareHolds(shard.state, model);
      },
    );
    fc.assert(property, parameters);
    return seen;
  }

  test('answer and count as the model does, and the journal leads to the same state', () => {
    answersMet(runs(effort(30, 100)));
  });

  test('with every answer that the contract knows, so that the generator tests what it says', () => {
    // A seed that never changes: a fresh one may miss what is rare.
    const seen = answersMet({ seed: 1, numRuns: 200 });
    expect([...everyAnswer].filter((answer) => !seen.has(answer))).toEqual([]);
  });

  const everyAnswer = new Set([
    'place done',
    'place replayed',
    'place soldOut',
    'place insufficientStock',
    'place limitReached',
    'place notStarted',
    'place paused',
    'place ended',
    'place idempotencyConflict',
    'place staleDefinition',
    'place overloaded',
    'place shardRecovering',
    'confirm done',
    'confirm replayed',
    'confirm orderNotFound',
    'confirm expiredForGood',
    'confirm reacquired',
    'confirm orderCancelled',
    'cancel done',
    'cancel replayed',
    'cancel orderNotFound',
    'cancel orderExpired',
    'cancel orderConfirmed',
    'read done',
    'read orderNotFound',
    'nextOfBuyer done',
    'nextOfBuyer none',
    'restock done',
    'restock replayed',
    'restock staleDefinition',
    'restock ended',
    'restock insufficientStock',
    'restock invalidRequest',
    'restock idempotencyConflict',
    'restock shardRecovering',
    'define done',
    'define replayed',
    'remove done',
    'control done',
    'control replayed',
    'freeze done',
    'freeze saleOpen',
    'unfreeze done',
    'prepare done',
  ]);
});
