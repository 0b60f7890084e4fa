/**
 * One of two shards that claim the same idempotency keys at the same time, each in its own table: publish first, look
 * at the other's table second, step back if it is there too. What Commands does, with nothing around it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { KeyTable } from '../../dist/memory/key-table.js';
import { meet } from './meeting.mjs';

const { side, tables, keysMax, rounds, control } = workerData;
const own = new KeyTable(tables[side], keysMax);
const other = new KeyTable(tables[1 - side], keysMax);
const words = new Int32Array(2);
const query = { saleNumber: 1, buyerBytes: 4, keyBytes: 4, hash: 0, words, buyerAt: 0, keyAt: 1 };

const won = new Uint8Array(rounds);
let conflicts = 0;
for (let round = 0; round < rounds; round++) {
  words[0] = round;
  words[1] = ~round;
  // Keys share hashes by fours, so claims also meet in a probe.
  query.hash = Math.imul(round >> 2, 0x9e3779b1);
  meet(control, side, round);
  own.insert(query, round);
  if (other.find(query) === -1) {
    won[round] = 1;
  } else {
    own.retractLast();
    conflicts += 1;
  }
}
// A key that was taken back is not there, and the others are.
let misplaced = 0;
for (let round = 0; round < rounds; round++) {
  words[0] = round;
  words[1] = ~round;
  query.hash = Math.imul(round >> 2, 0x9e3779b1);
  if (own.find(query) !== (won[round] === 1 ? round : -1)) misplaced += 1;
}
parentPort.postMessage({ won, conflicts, misplaced });
