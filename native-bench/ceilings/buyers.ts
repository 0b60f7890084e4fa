/**
 * Ceiling of knowing who bought: the shard's own table of buyers, filled and searched, with and without having the
 * memory fetched that a group of look-ups is about to need.
 */
import { limits } from '#dist/config.js';
import { BuyerTable } from '#dist/shard/buyers.js';
import { hashEnd, hashStart, hashText, writeText } from '#dist/text.js';
import type { BenchRun } from '../harness/bench.js';
import { seededRandom, shuffled } from '../harness/random.js';
import { once, timeCalls } from './timing.js';

const saleNumber = 1;
const row = 0;
const nameBytes = 16;
const nameWords = nameBytes / 4;
const lanes = limits.lookAheadLanes;
/** Of the hashes, and of the order in which buyers come again. */
const seed = 11;
const hashes = new Int32Array(lanes);

/** Names one after the other, and by place the buyer's number. */
interface Crowd {
  readonly names: Int32Array;
  readonly numbers: Int32Array;
}

function crowdOf(numbers: Int32Array): Crowd {
  const names = new Int32Array(numbers.length * nameWords);
  const bytes = Buffer.from(names.buffer);
  for (const [i, number] of numbers.entries()) {
    writeText(bytes, i * nameBytes, `buyer-${String(number).padStart(10, '0')}`);
  }
  return { names, numbers };
}

function hashAt(names: Int32Array, at: number): number {
  return hashEnd(hashText(hashStart(seed, saleNumber), names, at, nameBytes));
}

/** Hashes the names of a group, and has the memory fetched where that is asked for. Returns the group's size. */
function lookAhead(table: BuyerTable, { names, numbers }: Crowd, from: number, prefetch: boolean): number {
  const count = Math.min(lanes, numbers.length - from);
  for (let lane = 0; lane < count; lane++) hashes[lane] = hashAt(names, (from + lane) * nameWords);
  if (prefetch) table.prefetch(hashes, count);
  return count;
}

/** What a shard does about a crowd of new buyers: find that each is not there, and add him. */
function insertAll(table: BuyerTable, crowd: Crowd, prefetch: boolean): void {
  const { names, numbers } = crowd;
  for (let from = 0; from < numbers.length; from += lanes) {
    const count = lookAhead(table, crowd, from, prefetch);
    for (let lane = 0; lane < count; lane++) {
      const at = (from + lane) * nameWords;
      const number = numbers[from + lane]!;
      if (table.find(hashes[lane]!, saleNumber, names, at, nameBytes) !== -1) {
        throw new Error('a new buyer is there already');
      }
      table.insert(hashes[lane]!, saleNumber, names, at, nameBytes, number, row, 1);
    }
  }
}

/** What it does about buyers it knows. A buyer's entry is his number, because they were added in this order. */
function findAll(table: BuyerTable, crowd: Crowd, prefetch: boolean): void {
  const { names, numbers } = crowd;
  for (let from = 0; from < numbers.length; from += lanes) {
    const count = lookAhead(table, crowd, from, prefetch);
    for (let lane = 0; lane < count; lane++) {
      const at = (from + lane) * nameWords;
      const found = table.find(hashes[lane]!, saleNumber, names, at, nameBytes);
      if (found !== numbers[from + lane]) throw new Error('a buyer is not where he was put');
    }
  }
}

/** Every 100th buyer is there, with his order and his unit. */
function checkSome(table: BuyerTable, { names, numbers }: Crowd): void {
  if (table.count !== numbers.length) throw new Error(`${table.count} of ${numbers.length} buyers are there`);
  for (let i = 0; i < numbers.length; i += 100) {
    const at = i * nameWords;
    const found = table.find(hashAt(names, at), saleNumber, names, at, nameBytes);
    if (found !== i || table.firstOrder(found) !== numbers[i] || table.purchased(found, row) !== 1) {
      throw new Error('a buyer was not added as he should be');
    }
  }
}

export async function measureBuyers(run: BenchRun): Promise<void> {
  const buyers = run.profile.orders;
  const inOrder = crowdOf(Int32Array.from({ length: buyers }, (_, i) => i));
  // Buyers do not come in the order in which they came before.
  const anyhow = crowdOf(shuffled(inOrder.numbers, seededRandom(seed)));
  const filled = new BuyerTable(buyers);
  insertAll(filled, inOrder, true);
  const [plain, fetched] = ['look-up by look-up', 'with prefetch'];
  const variants = [
    { name: plain, prefetch: false },
    { name: fetched, prefetch: true },
  ];
  const size = buyers.toLocaleString('en');
  await run.contest({
    ...{ name: `buyer table, ${size} new buyers`, unit: 'buyers/s', better: 'higher' },
    contenders: variants.map(({ name, prefetch }) => ({
      name,
      measure: () => {
        const table = new BuyerTable(buyers);
        const { meanMs } = timeCalls(once, () => insertAll(table, inOrder, prefetch));
        checkSome(table, inOrder);
        return (buyers * 1_000) / meanMs;
      },
    })),
    ratios: [{ of: fetched, to: plain }],
  });
  await run.contest({
    ...{ name: `buyer table, found among ${size}`, unit: 'buyers/s', better: 'higher' },
    contenders: variants.map(({ name, prefetch }) => ({
      name,
      measure: () => {
        const { medianMs } = timeCalls(once, () => findAll(filled, anyhow, prefetch));
        return (buyers * 1_000) / medianMs;
      },
    })),
    ratios: [{ of: fetched, to: plain }],
  });
  run.note(`Buyers are hashed and shuffled with seed ${seed}, in every run.`);
}
