/** When a dispatcher makes requests visible and when it wakes their shard, on an event loop turned by hand. */
import { expect, test } from 'vitest';
import { Dispatcher } from '../../dist/acceptor/dispatcher.js';
import type { EventLoop } from '../../dist/acceptor/event-loop.js';
import { limits } from '../../dist/config.js';
import { AcceptorCount, Counters } from '../../dist/memory/counters.js';
import { replyLayout, requestLayout, threadLayout } from '../../dist/memory/layout.js';
import { newReply, Opcode, type Reply, writeReply } from '../../dist/memory/records.js';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { allocateSharedMemory } from '../../dist/memory/shared-memory.js';
import { ShardState, ThreadTable } from '../../dist/memory/thread-table.js';
import { Outcome } from '../../dist/sale/outcome.js';

const replyDeadlineMs = 1_000;

/** A dispatcher to shards that are open and parked, and what those see of it. */
function parkedShards({
  shards = 1,
  inFlightMax = limits.inFlightMin,
}: {
  shards?: number;
  inFlightMax?: number;
} = {}) {
  const memory = allocateSharedMemory({
    ...{ shards, acceptors: 1, inFlightMax, keysPerShardMax: 1_024, hashSeed: 7 },
  });
  const threads = new ThreadTable(memory.threads, shards);
  const words = new Int32Array(memory.threads);
  for (let shard = 0; shard < shards; shard++) {
    threads.setState(shard, ShardState.open);
    threads.shardDoorbell(shard).announce();
  }
  let nowMs = 5;
  let turns: (() => void)[] = [];
  let later: (() => void)[] = [];
  let waits = 0;
  const eventLoop: EventLoop = {
    soon: (turn) => turns.push(turn),
    later: (action) => later.push(action),
    rung: () => {
      waits += 1;
      return new Promise(() => undefined);
    },
  };
  const dispatcher = new Dispatcher({
    ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs, clock: () => nowMs, eventLoop },
    onDefect: (error) => expect.fail(String(error)),
  });
  const requests = memory.requests[0]!.map((ring) => new RingConsumer(ring, requestLayout.bytes));
  const replies = memory.replies[0]!.map((ring) => new RingProducer(ring, replyLayout.bytes));
  const settled: number[] = [];
  const outcomes: Outcome[] = [];
  const turn = () => {
    const due = turns;
    turns = [];
    for (const one of due) one();
  };
  const sink = {
    settle: (token: number, { outcome }: Reply) => {
      settled.push(token);
      outcomes.push(outcome);
    },
  };
  return {
    settled,
    outcomes,
    park: (shard = 0) => threads.shardDoorbell(shard).announce(),
    parked: (shard = 0) => words[shard * threadLayout.lineWords + threadLayout.doorbell] === 1,
    waiting: (shard = 0) => requests[shard]!.waiting(),
    waits: () => waits,
    dispatcher,
    askOne: (shard = 0) => dispatcher.order(Opcode.read, shard, 0, sink, 0),
    stale: () => new Counters(memory.counters, shards).read(AcceptorCount.stale),
    passTime: (ms: number) => {
      nowMs += ms;
    },
    /** Whether a turn is to come. */
    scheduled: () => turns.length > 0,
    ask: (count: number, shard = 0) => {
      for (let i = 0; i < count; i++)
        expect(dispatcher.order(Opcode.read, shard, i, sink, i)).toBe('dispatched');
    },
    /** Answers all that waits, as a shard does that is awake. */
    answerAll: (shard = 0) => {
      const [from, to] = [requests[shard]!, replies[shard]!];
      const count = from.waiting();
      for (let i = 0; i < count; i++) {
        const at = from.at(i);
        const slot = from.words[at + requestLayout.slot]!;
        const generation = from.words[at + requestLayout.generation]!;
        writeReply(to.words, to.doubles, to.claim(), slot, generation, newReply(Outcome.orderNotFound));
      }
      from.release(count);
      to.publish();
    },
    turn,
    /** Turns as long as one is to come, and says how often that was. */
    turnToTheEnd: () => {
      let count = 0;
      for (; turns.length > 0; count++) {
        expect(count, 'turns').toBeLessThan(100);
        turn();
      }
      return count;
    },
    /** Does what was put off, the ending of late requests. */
    sweep: () => {
      const due = later;
      later = [];
      for (const action of due) action();
    },
  };
}

test('a request is visible at the end of its turn, and its shard is woken one turn later', () => {
  const shard = parkedShards();
  shard.ask(1);
  expect(shard.waiting()).toBe(0);
  shard.turn();
  expect([shard.waiting(), shard.parked(), shard.scheduled()]).toEqual([1, true, true]);
  shard.turn();
  expect(shard.parked()).toBe(false);
});

test('requests of two turns in a row take one ring, and nobody waits for a third turn', () => {
  const shard = parkedShards();
  shard.ask(1);
  shard.turn();
  shard.ask(1);
  expect(shard.parked()).toBe(true);
  shard.turn();
  expect([shard.waiting(), shard.parked()]).toEqual([2, false]);
  // It was one ring: a shard that parks again is left alone.
  shard.park();
  shard.turn();
  expect(shard.parked()).toBe(true);
});

test(`shards are woken at once for ${limits.requestsRungAtOnceMin} requests, and not for one less`, () => {
  const enough = parkedShards({ shards: 2 });
  enough.ask(limits.requestsRungAtOnceMin - 1, 0);
  enough.ask(1, 1);
  enough.turn();
  expect([enough.parked(0), enough.parked(1)]).toEqual([false, false]);
  const few = parkedShards({ shards: 2 });
  few.ask(limits.requestsRungAtOnceMin - 2, 0);
  few.ask(1, 1);
  few.turn();
  expect([few.parked(0), few.parked(1)]).toEqual([true, true]);
});

test('nobody waits for another turn where turns are long', () => {
  const short = parkedShards();
  short.ask(1);
  short.passTime(limits.patientTurnMsMax);
  short.turn();
  expect(short.parked()).toBe(true);
  const long = parkedShards();
  long.ask(1);
  long.passTime(limits.patientTurnMsMax + 1);
  long.turn();
  expect(long.parked()).toBe(false);
});

test('a shard that is awake when requests become visible is not rung for them later, when it has parked', () => {
  const shard = parkedShards();
  shard.ask(1);
  shard.turn();
  shard.turn();
  shard.ask(1);
  shard.turn();
  shard.answerAll();
  shard.park();
  shard.turn();
  expect([shard.settled, shard.parked(), shard.scheduled()]).toEqual([[0, 0], true, false]);
});

test('a turn comes for the ring also where the last one in flight has ended', () => {
  const shard = parkedShards();
  shard.ask(1);
  shard.passTime(replyDeadlineMs + 1);
  // Late already, and the clock that a turn's length is told by has been read since.
  shard.sweep();
  expect(shard.settled).toEqual([0]);
  shard.turn();
  expect([shard.waiting(), shard.parked(), shard.scheduled()]).toEqual([1, true, true]);
  shard.turn();
  expect([shard.parked(), shard.scheduled()]).toEqual([false, false]);
});

test('with no answer it polls for some turns and then waits for its own doorbell', () => {
  const shard = parkedShards();
  shard.ask(1);
  expect(shard.turnToTheEnd()).toBe(limits.replyPollTurnsMax + 1);
  expect([shard.waits(), shard.parked()]).toEqual([1, false]);
});

test('a turn comes for the ring also while it waits for its own doorbell, whichever shard it is for', () => {
  for (const asked of [0, 1]) {
    const shards = parkedShards({ shards: 2 });
    shards.ask(1, asked);
    shards.turnToTheEnd();
    shards.park(asked);
    shards.ask(1, asked);
    shards.turn();
    expect([shards.parked(asked), shards.scheduled()]).toEqual([true, true]);
    shards.turn();
    expect([shards.parked(asked), shards.parked(1 - asked)]).toEqual([false, true]);
  }
});

test('a shard starts on a batch while the rest of it is being written', () => {
  const shard = parkedShards({ inFlightMax: 2 * limits.publishCountMax });
  shard.ask(limits.publishCountMax);
  expect([shard.waiting(), shard.parked()]).toEqual([0, true]);
  shard.ask(1);
  expect([shard.waiting(), shard.parked()]).toEqual([limits.publishCountMax, false]);
});

test('an answer that comes between the last look and the announcement is not slept over', () => {
  const shard = parkedShards();
  shard.ask(1);
  let turns = 0;
  const waiter = {
    // Called after a turn has looked for answers, and before it decides whether to wait.
    resume: () => {
      turns += 1;
      if (turns > limits.replyPollTurnsMax) shard.answerAll();
      else shard.dispatcher.awaitRoom(waiter);
    },
  };
  shard.dispatcher.awaitRoom(waiter);
  expect(shard.turnToTheEnd()).toBe(limits.replyPollTurnsMax + 2);
  expect([shard.settled, shard.waits()]).toEqual([[0], 0]);
});

test('an answer to somebody who waits no more is counted as stale', () => {
  const shard = parkedShards();
  shard.ask(2);
  shard.turn();
  shard.passTime(replyDeadlineMs + 1);
  shard.sweep();
  expect(shard.settled).toEqual([0, 1]);
  shard.answerAll();
  shard.turnToTheEnd();
  expect([shard.settled, shard.stale()]).toEqual([[0, 1], 2]);
});

test('what was claimed for a shard that has gone is visible to its successor, and it is asked for nothing more', () => {
  const shard = parkedShards();
  shard.ask(1);
  shard.dispatcher.abandon(0);
  expect([shard.settled, shard.waiting()]).toEqual([[0], 1]);
  // In the same turn as well, whatever the shard's state was at its beginning.
  expect(shard.askOne()).toBe('recovering');
});

test('who has an answer by now gets it, however late, and only the others are told that there was none', () => {
  const shard = parkedShards();
  shard.ask(2);
  shard.turn();
  shard.answerAll();
  shard.ask(1);
  shard.passTime(2 * replyDeadlineMs);
  // A timer may be due before the turn that looks for answers.
  shard.sweep();
  expect(shard.outcomes).toEqual([Outcome.orderNotFound, Outcome.orderNotFound, Outcome.timeout]);
  shard.turnToTheEnd();
  expect(shard.settled).toEqual([0, 1, 0]);
});
