/**
 * Another thread that answers at once whatever it is asked, and the way to it: leiniao's rings, doorbells and in-flight
 * table. What they cost beside the rest of an order, measured by a server that needs nothing else of them.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Dispatcher } from '#dist/acceptor/dispatcher.js';
import { limits } from '#dist/config.js';
import { replyLayout, requestLayout } from '#dist/memory/layout.js';
import { newReply, Opcode, type Reply, writeReply } from '#dist/memory/records.js';
import { RingConsumer, RingProducer } from '#dist/memory/ring.js';
import { allocateSharedMemory, type SharedMemory } from '#dist/memory/shared-memory.js';
import { ShardState, ThreadTable } from '#dist/memory/thread-table.js';
import { Outcome } from '#dist/sale/outcome.js';

/** More requests than a load has connections. */
const inFlightMax = 8_192;
const replyDeadlineMs = 5_000;

/** Starts the thread, and returns how it is asked: the action is run once it has answered. */
export async function startEcho(): Promise<(then: () => void) => void> {
  const memory = allocateSharedMemory({
    ...{ shards: 1, acceptors: 1, inFlightMax, keysPerShardMax: 1_024, hashSeed: 0 },
  });
  const worker = new Worker(new URL(import.meta.url), { workerData: memory });
  await once(worker, 'message');
  worker.once('exit', () => {
    throw new Error('the thread that is asked has ended');
  });
  // It is not to keep the server from its end.
  worker.unref();
  const dispatcher = new Dispatcher({
    ...{ memory, acceptor: 0, inFlightMax, replyDeadlineMs, clock: Date.now },
    onDefect: (error) => {
      throw error;
    },
  });
  return (then) => {
    const settle = (_token: number, { outcome }: Reply) => {
      if (outcome !== Outcome.done) throw new Error(`the thread that was asked gave no answer: ${outcome}`);
      then();
    };
    const sent = dispatcher.order(Opcode.read, 0, 0, { settle }, 0);
    if (sent !== 'dispatched') throw new Error(`an order was not sent: ${sent}`);
  };
}

function echo(memory: SharedMemory): never {
  const threads = new ThreadTable(memory.threads, 1);
  const [doorbell, acceptor] = [threads.shardDoorbell(0), threads.acceptorDoorbell(0)];
  const requests = new RingConsumer(memory.requests[0]![0]!, requestLayout.bytes);
  const replies = new RingProducer(memory.replies[0]![0]!, replyLayout.bytes);
  const reply = newReply(Outcome.done);
  threads.setState(0, ShardState.open);
  parentPort!.postMessage('open');
  /** As a shard does: visible by groups, and one ring for all that was found waiting. */
  const answer = (count: number) => {
    for (let done = 0; done < count; ) {
      const group = Math.min(limits.lookAheadLanes, count - done);
      for (let i = 0; i < group; i++) {
        const at = requests.at(i);
        const slot = requests.words[at + requestLayout.slot]!;
        const generation = requests.words[at + requestLayout.generation]!;
        writeReply(replies.words, replies.doubles, replies.claim(), slot, generation, reply);
      }
      requests.release(group);
      replies.publish();
      done += group;
    }
    acceptor.ring();
  };
  for (;;) {
    const count = Math.min(requests.waiting(), replies.free(), limits.repliesPerRing);
    if (count > 0) {
      answer(count);
      continue;
    }
    doorbell.announce();
    if (requests.waiting() > 0) doorbell.retract();
    else doorbell.wait(limits.parkMsMax);
  }
}

if (!isMainThread) echo(workerData as SharedMemory);
