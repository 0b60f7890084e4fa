/**
 * One of two shards of a sale whose SKUs they share, with Commands and their tables as in the engine. Both get an
 * order with the same buyer and idempotency key at the same moment, again and again, each for a SKU of its own.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { KeyTable } from '../../dist/memory/key-table.js';
import { requestLayout } from '../../dist/memory/layout.js';
import { Opcode } from '../../dist/memory/records.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { Commands } from '../../dist/shard/commands.js';
import { ShardState } from '../../dist/shard/state.js';
import { buyerHash, writeText } from '../../dist/text.js';
import { meet } from './meeting.mjs';

const { side, tables, stock, keysMax, rounds, control, hashSeed } = workerData;
const [own, other] = [tables[side], tables[1 - side]].map((buffer) => new KeyTable(buffer, keysMax));
const state = new ShardState({ ordersMax: rounds, keys: own, stock: new StockTable(stock), hashSeed });
state.open();
const foreign = [{ keys: other, wholeSince: () => 1, isOpen: () => true }];
const commands = new Commands({ state, batch: undefined, durability: 2, foreign });

const row = side;
state.define({
  row,
  revision: 1,
  saleNumber: 1,
  total: rounds,
  limitPerBuyer: 0,
  holdSeconds: 0,
  startsAtMs: 0,
  endsAtMs: Number.POSITIVE_INFINITY,
  state: 0,
  spread: true,
});

const record = new ArrayBuffer(requestLayout.bytes);
const words = new Int32Array(record);
const doubles = new Float64Array(record);
const bytes = Buffer.from(record);
words[requestLayout.opcode] = Opcode.place;
words[requestLayout.row] = row;
words[requestLayout.revision] = 1;
words[requestLayout.quantity] = 1;

const outcomes = new Uint8Array(rounds);
for (let round = 0; round < rounds; round++) {
  const buyerBytes = writeText(bytes, requestLayout.text * 4, `u-${round % 100}`);
  const keyBytes = writeText(bytes, requestLayout.key * 4, `k-${round}`);
  words[requestLayout.lengths] = buyerBytes | (keyBytes << 8);
  words[requestLayout.buyerHash] = buyerHash(hashSeed, 1, words, requestLayout.text, buyerBytes);
  meet(control, side, round);
  commands.execute(words, doubles, 0, round);
  outcomes[round] = commands.reply.outcome;
}
state.checkCounters();
const accepted = outcomes.reduce((sum, outcome) => sum + (outcome === Outcome.done ? 1 : 0), 0);
parentPort.postMessage({ outcomes, accepted, orders: state.orders.count });
