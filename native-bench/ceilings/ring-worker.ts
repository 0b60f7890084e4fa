/** The far end of two rings: answers requests, or only takes them. See `ring-peer.ts`. */
import { workerData } from 'node:worker_threads';
import { replyLayout, requestLayout } from '#dist/memory/layout.js';
import { newReply, writeReply } from '#dist/memory/records.js';
import { RingConsumer, RingProducer } from '#dist/memory/ring.js';
import { ThreadTable } from '#dist/memory/thread-table.js';
import { Outcome } from '#dist/sale/outcome.js';
import { obey } from './peer.js';
import { lanes, lastOpcode, parkMsMax, RingCommand, sumOf } from './ring-records.js';

const { control, ...shared } = workerData as {
  readonly control: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  readonly threads: SharedArrayBuffer;
};
const requests = new RingConsumer(shared.requests, requestLayout.bytes);
const replies = new RingProducer(shared.replies, replyLayout.bytes);
const table = new ThreadTable(shared.threads, 1);
const ownBell = table.shardDoorbell(0);
const askersBell = table.acceptorDoorbell(0);
const reply = newReply(Outcome.done);
const { words } = requests;
let taken = 0;
let sum = 0;

/** Parks as a shard does: announce, look once more, wait. */
function park(): void {
  ownBell.announce();
  if (requests.waiting() > 0) ownBell.retract();
  else ownBell.wait(parkMsMax);
}

function answer(at: number): void {
  const to = replies.claim();
  if (to === -1) throw new Error('there is room for a reply to every request');
  reply.orderNumber = words[at + requestLayout.orderNumber]!;
  const slot = words[at + requestLayout.slot]!;
  const generation = words[at + requestLayout.generation]!;
  writeReply(replies.words, replies.doubles, to, slot, generation, reply);
}

/** One group of what waits, as a shard takes it. Returns whether the last request was in it. */
function takeGroup(answers: boolean): boolean {
  const count = Math.min(requests.waiting(), lanes);
  if (count === 0) return false;
  let last = false;
  for (let i = 0; i < count; i++) {
    const at = requests.at(i);
    if (words[at + requestLayout.opcode] === lastOpcode) {
      last = true;
      continue;
    }
    sum = (sum + sumOf(words, at)) | 0;
    taken += 1;
    if (answers) answer(at);
  }
  requests.release(count);
  if (replies.publish()) askersBell.ring();
  return last;
}

obey(control, (command, result) => {
  taken = 0;
  sum = 0;
  while (!takeGroup(command !== RingCommand.take)) {
    if (command === RingCommand.answerParked && requests.waiting() === 0) park();
  }
  result[0] = taken;
  result[1] = sum;
});
