/** When a dispatcher makes requests visible and when it wakes their shard, on an event loop turned by hand. */
import { expect, test } from 'vitest';
import { Dispatcher } from '../../dist/acceptor/dispatcher.js';
import type { EventLoop } from '../../dist/acceptor/event-loop.js';
import { limits } from '../../dist/config.js';
import { replyLayout, requestLayout, threadLayout } from '../../dist/memory/layout.js';
import { newReply, Opcode, writeReply } from '../../dist/memory/records.js';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { allocateSharedMemory } from '../../dist/memory/shared-memory.js';
import { ShardState, ThreadTable } from '../../dist/memory/thread-table.js';
import { Outcome } from '../../dist/sale/outcome.js';

/** A dispatcher to one shard, which is open and parked, and what that shard sees of it. */
function parkedShard() {
  const inFlightMax = limits.inFlightMin;
  const memory = allocateSharedMemory({
    ...{ shards: 1, acceptors: 1, inFlightMax, keysPerShardMax: 1_024, hashSeed: 7 },
  });
  const threads = new ThreadTable(memory.threads, 1);
  threads.setState(0, ShardState.open);
  let turns: (() => void)[] = [];
  let waits = 0;
  const eventLoop: EventLoop = {
    soon: (turn) => turns.push(turn),
    later: () => undefined,
    rung: () => {
      waits += 1;
      return new Promise(() => undefined);
    },
  };
  const dispatcher = new Dispatcher({
    ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs: 1_000, clock: () => 5, eventLoop },
    onDefect: (error) => expect.fail(String(error)),
  });
  const requests = new RingConsumer(memory.requests[0]![0]!, requestLayout.bytes);
  const replies = new RingProducer(memory.replies[0]![0]!, replyLayout.bytes);
  const settled: number[] = [];
  const sink = { settle: (token: number) => settled.push(token) };
  const doorbell = threads.shardDoorbell(0);
  const words = new Int32Array(memory.threads);
  doorbell.announce();
  return {
    settled,
    park: () => doorbell.announce(),
    parked: () => words[threadLayout.doorbell] === 1,
    waiting: () => requests.waiting(),
    waits: () => waits,
    /** Whether a turn is to come. */
    scheduled: () => turns.length > 0,
    ask: (count: number) => {
      for (let i = 0; i < count; i++) expect(dispatcher.order(Opcode.read, 0, i, sink, i)).toBe('dispatched');
    },
    /** Answers all that waits, as the shard would that had never parked. */
    answerAll: () => {
      const count = requests.waiting();
      for (let i = 0; i < count; i++) {
        const at = requests.at(i);
        const [slot, generation] = [requestLayout.slot, requestLayout.generation].map(
          (word) => requests.words[at + word]!,
        );
        const reply = newReply(Outcome.orderNotFound);
        writeReply(replies.words, replies.doubles, replies.claim(), slot!, generation!, reply);
      }
      requests.release(count);
      replies.publish();
    },
    turn: () => {
      const due = turns;
      turns = [];
      for (const turn of due) turn();
    },
  };
}

test('a request is visible at the end of its turn, and its shard is woken one turn later', () => {
  const shard = parkedShard();
  shard.ask(1);
  expect(shard.waiting()).toBe(0);
  shard.turn();
  expect([shard.waiting(), shard.parked(), shard.scheduled()]).toEqual([1, true, true]);
  shard.turn();
  expect(shard.parked()).toBe(false);
});

test('requests of two turns in a row take one ring, and nobody waits for a third turn', () => {
  const shard = parkedShard();
  shard.ask(1);
  shard.turn();
  shard.ask(1);
  expect(shard.parked()).toBe(true);
  shard.turn();
  expect([shard.waiting(), shard.parked()]).toEqual([2, false]);
});

test(`a shard is woken at once for ${limits.requestsPerRing} requests, and not for one less`, () => {
  const enough = parkedShard();
  enough.ask(limits.requestsPerRing);
  enough.turn();
  expect(enough.parked()).toBe(false);
  const few = parkedShard();
  few.ask(limits.requestsPerRing - 1);
  few.turn();
  expect(few.parked()).toBe(true);
});

test('whoever is to be woken is, when no more comes and others have their answers meanwhile', () => {
  const shard = parkedShard();
  shard.ask(1);
  shard.turn();
  shard.turn();
  shard.answerAll();
  shard.park();
  shard.ask(1);
  // Settles the first one; the shard parked before it could see the second.
  shard.turn();
  expect([shard.settled, shard.waiting(), shard.parked()]).toEqual([[0], 1, true]);
  shard.turn();
  expect(shard.parked()).toBe(false);
});

test('a turn comes for the ring also when all has been answered before it', () => {
  const shard = parkedShard();
  shard.ask(1);
  shard.turn();
  shard.answerAll();
  shard.turn();
  expect([shard.settled, shard.parked(), shard.scheduled()]).toEqual([[0], false, false]);
  // The next one starts afresh: it does not take the ring of one that is through.
  shard.park();
  shard.ask(1);
  shard.turn();
  expect([shard.waiting(), shard.parked(), shard.scheduled()]).toEqual([1, true, true]);
});

test('with no answer it polls for some turns and then waits for its own doorbell', () => {
  const shard = parkedShard();
  shard.ask(1);
  let turns = 0;
  for (; shard.scheduled(); turns++) shard.turn();
  expect(turns).toBe(limits.replyPollTurnsMax + 1);
  expect([shard.waits(), shard.parked()]).toEqual([1, false]);
});
