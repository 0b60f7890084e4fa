/**
 * The owner or a reader of a stock row, in a thread of its own. The owner keeps what is held within a few units while
 * the other counters move by dozens at a time, so a reading that mixes two states shows as too many or too few held.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { StockTable } from '../../dist/memory/stock-table.js';

const { role, stock, row, readers, changesMin, heldMax, control, start } = workerData;
const table = new StockTable(stock);
/** Word 0: readers that look. Word 1: readers that have seen enough. Word 2: the owner is done. */
const flags = new Int32Array(control);

let state = start | 0;
function random(limit) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) % limit;
}

function own() {
  for (let ready = Atomics.load(flags, 0); ready < readers; ready = Atomics.load(flags, 0)) {
    Atomics.wait(flags, 0, ready);
  }
  let shown = table.read(row);
  // Until every reader has seen enough, however the threads are scheduled.
  while (Atomics.load(flags, 1) < readers) {
    const now = { ...shown };
    const take = random(heldMax - now.held + 1);
    if (now.available >= take) {
      now.available -= take;
      now.held += take;
    }
    // Several changes in one publish, as after a group of orders.
    if (random(2) === 0) {
      const sold = random(now.held + 1);
      now.held -= sold;
      now.confirmed += sold;
    }
    if (random(3) === 0) {
      const back = random(now.held + 1);
      now.held -= back;
      now.available += back;
    }
    if (random(4) === 0) {
      const outright = Math.min(now.available, 30 + random(30));
      now.available -= outright;
      now.confirmed += outright;
    }
    if (random(4) === 0) {
      const units = 30 + random(30);
      now.available += units;
      now.total += units;
    }
    if (random(4) === 0) {
      const units = Math.min(now.available, 30 + random(30));
      now.available -= units;
      now.total -= units;
    }
    table.publish(row, shown, now);
    shown = now;
  }
  Atomics.store(flags, 2, 1);
  return shown;
}

function watch() {
  let readings = 0;
  let torn = 0;
  let backwards = 0;
  let changes = 0;
  let last = table.read(row);
  Atomics.add(flags, 0, 1);
  Atomics.notify(flags, 0);
  while (Atomics.load(flags, 2) === 0) {
    const now = table.read(row);
    readings += 1;
    const whole = Object.values(now).every((units) => Number.isInteger(units) && units >= 0);
    if (!whole || now.held > heldMax || now.available + now.held + now.confirmed !== now.total) torn += 1;
    // Only ever grows here.
    if (now.confirmed < last.confirmed) backwards += 1;
    if (now.confirmed !== last.confirmed) {
      changes += 1;
      if (changes === changesMin) Atomics.add(flags, 1, 1);
    }
    const left = table.available(row);
    if (left < 0) torn += 1;
    last = now;
  }
  return { readings, torn, backwards, last: table.read(row) };
}

function readOnce() {
  return table.read(row);
}

const work = { owner: own, reader: watch, once: readOnce };
parentPort.postMessage(work[role]());
