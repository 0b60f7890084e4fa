/** The in-flight table beside a naive one: sinks that wait with one slot or with many, deadlines, shards that go. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InFlightTable, type ReplySink } from '../../dist/acceptor/in-flight.js';
import { newReply } from '../../dist/memory/records.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { runs, seeded } from '../support/random.js';

const slots = 8;
const reply = newReply();

/** Who waits, and for what: each token is told once. */
class Sink implements ReplySink {
  readonly settled: number[] = [];

  settle(token: number): void {
    this.settled.push(token);
  }
}

interface Waiting {
  readonly slot: number;
  readonly generation: number;
  readonly sink: Sink;
  readonly token: number;
  readonly shard: number;
  readonly deadlineMs: number;
}

const claim = fc.record({
  kind: fc.constant('claim' as const),
  sink: fc.nat(2),
  shard: fc.nat(1),
  deadlineMs: fc.nat(3),
});
const settle = fc.record({ kind: fc.constant('settle' as const), which: fc.nat(slots), stale: fc.boolean() });
const expire = fc.record({ kind: fc.constant('expire' as const), nowMs: fc.nat(3) });
const abandon = fc.record({ kind: fc.constant('abandon' as const), shard: fc.nat(1) });
const actions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: claim },
    { weight: 4, arbitrary: settle },
    { weight: 1, arbitrary: expire },
    { weight: 1, arbitrary: abandon },
  ),
  { maxLength: 60 },
);

describe(seeded('the in-flight table'), () => {
  test('tells everybody who waits once, and nobody of a reply that is stale', () => {
    fc.assert(
      fc.property(actions, (all) => {
        const table = new InFlightTable(slots, (error) => {
          throw error;
        });
        const sinks = [new Sink(), new Sink(), new Sink()];
        const expected: number[][] = [[], [], []];
        let waiting: Waiting[] = [];
        let token = 0;
        const end = (ended: readonly Waiting[]) => {
          for (const one of ended) expected[sinks.indexOf(one.sink)]!.push(one.token);
          waiting = waiting.filter((one) => !ended.includes(one));
        };
        for (const action of all) {
          switch (action.kind) {
            case 'claim': {
              if (table.free === 0) break;
              const { shard, deadlineMs } = action;
              const sink = sinks[action.sink]!;
              const slot = table.claim(sink, ++token, shard, deadlineMs);
              expect(waiting.some((one) => one.slot === slot)).toBe(false);
              waiting.push({ slot, generation: table.generation(slot), sink, token, shard, deadlineMs });
              break;
            }
            case 'settle': {
              const one = waiting[action.which % Math.max(1, waiting.length)];
              if (one === undefined) break;
              expect(table.settle(one.slot, one.generation + (action.stale ? 1 : 0), reply)).toBe(
                !action.stale,
              );
              if (!action.stale) end([one]);
              break;
            }
            case 'expire': {
              const late = waiting.filter(({ deadlineMs }) => deadlineMs <= action.nowMs);
              expect(table.expire(action.nowMs, reply)).toBe(late.length);
              end(late);
              break;
            }
            case 'abandon': {
              const gone = waiting.filter(({ shard }) => shard === action.shard);
              expect(table.abandon(action.shard, reply)).toBe(gone.length);
              end(gone);
              break;
            }
          }
          expect([table.count, table.free]).toEqual([waiting.length, slots - waiting.length]);
          const sorted = (tokens: readonly number[]) => [...tokens].sort((a, b) => a - b);
          expect(sinks.map(({ settled }) => sorted(settled))).toEqual(expected.map(sorted));
        }
      }),
      runs(500),
    );
  });

  test('tells a sink that threw once more, of a defect, and goes on', () => {
    const errors: unknown[] = [];
    const table = new InFlightTable(slots, (error) => errors.push(error));
    const outcomes: number[] = [];
    const failure = new Error('a defect');
    const sink: ReplySink = {
      settle: (_, { outcome }) => {
        outcomes.push(outcome);
        if (outcomes.length === 1) throw failure;
      },
    };
    const [first, second] = [table.claim(sink, 0, 0, 1), table.claim(sink, 1, 0, 1)];
    expect(table.settle(first, table.generation(first), newReply(Outcome.done))).toBe(true);
    expect(table.settle(second, table.generation(second), newReply(Outcome.soldOut))).toBe(true);
    expect(errors).toEqual([failure]);
    expect(outcomes).toEqual([Outcome.done, Outcome.defect, Outcome.soldOut]);
    expect(table.count).toBe(0);
  });
});
