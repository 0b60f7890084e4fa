/**
 * One end of a ring in a thread of its own. Both ends park with doorbells and without a timeout, so a lost wake-up
 * is a test that never ends. The producer fills every word of a record from the record's number; the consumer checks
 * every word.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { ThreadTable } from '../../dist/memory/thread-table.js';

const { role, ring, recordBytes, threads, records, start } = workerData;
const table = new ThreadTable(threads, 1);
const producerBell = table.shardDoorbell(0);
const consumerBell = table.acceptorDoorbell(0);
const words = recordBytes / 4;

let state = start | 0;
function random(limit) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) % limit;
}

function word(record, i) {
  return Math.imul(record + 1, 0x9e3779b1 + 2 * i) ^ i;
}

function produce() {
  const end = new RingProducer(ring, recordBytes);
  let parks = 0;
  let full = 0;
  for (let next = 0; next < records; ) {
    const burst = 1 + random(2 * end.capacity);
    for (let i = 0; i < burst && next < records; i++) {
      const at = end.claim();
      if (at === -1) {
        full += 1;
        break;
      }
      for (let w = 0; w < words; w++) end.words[at + w] = word(next, w);
      next += 1;
    }
    if (end.publish()) consumerBell.ring();
    if (end.free() > 0) continue;
    producerBell.announce();
    if (end.free() > 0) {
      producerBell.retract();
      continue;
    }
    parks += 1;
    producerBell.wait(Number.POSITIVE_INFINITY);
  }
  return { parks, full };
}

function consume() {
  const end = new RingConsumer(ring, recordBytes);
  let parks = 0;
  let wrong = 0;
  let next = 0;
  while (next < records) {
    const waiting = end.waiting();
    if (waiting === 0) {
      consumerBell.announce();
      if (end.waiting() > 0) {
        consumerBell.retract();
        continue;
      }
      parks += 1;
      consumerBell.wait(Number.POSITIVE_INFINITY);
      continue;
    }
    if (waiting < 0 || waiting > end.capacity)
      throw new Error(`${waiting} records wait in a ring of ${end.capacity}`);
    const count = 1 + random(waiting);
    for (let i = 0; i < count; i++) {
      const at = end.at(i);
      for (let w = 0; w < words; w++) if (end.words[at + w] !== word(next, w)) wrong += 1;
      next += 1;
    }
    end.release(count);
    producerBell.ring();
  }
  return { parks, wrong, left: end.waiting() };
}

parentPort.postMessage(role === 'producer' ? produce() : consume());
