/**
 * One round of LMDB alone in a process of its own: the commit records of a journal, byte by byte and commit by commit, go
 * into another environment, each in a synchronous transaction that is on disk when it returns. LMDB is opened as the store
 * opens it. Nothing is decided, sealed or hashed. Checks that all of it is there afterwards; prints the figures as JSON.
 *
 *   node native-bench/build/in-process/lmdb-round.js --journal DIR --folder DIR
 */
import { parseArgs } from 'node:util';
import { commitLayout } from '#dist/store/batch.js';
import { EntryType, entryType } from '#dist/store/entry.js';
import { everyRecord, type NumberedRecords, openEnvironment, tableOptions } from '#dist/store/lmdb.js';
import { openSnapshot } from '#dist/store/lmdb-snapshot.js';

/** What a round prints. */
export interface LmdbRound {
  readonly ordersPerSecond: number;
  readonly orders: number;
  readonly commits: number;
  readonly bytes: number;
}

interface JournalRecord {
  readonly number: number;
  readonly bytes: Buffer;
  /** 0 for what the operator said, which is no part of the measurement. */
  readonly orders: number;
}

/** Copies, so that nothing is read from the other file meanwhile. */
async function readJournal(path: string): Promise<JournalRecord[]> {
  const snapshot = await openSnapshot<number>(path, 'commits');
  try {
    return Array.from(snapshot.records(), ({ key, value }) => {
      const bytes = Buffer.from(value);
      const first = entryType(bytes.readInt32LE(commitLayout.entries * 4));
      const orders = first === EntryType.accepted ? bytes.readInt32LE(commitLayout.count * 4) : 0;
      return { number: key, bytes, orders };
    });
  } finally {
    await snapshot.close();
  }
}

function openTable(path: string): { close: () => Promise<void>; records: NumberedRecords; write: Write } {
  const environment = openEnvironment(path, 'commits');
  const records = environment.openDB<Buffer, number>(tableOptions('commits'));
  const write: Write = (number, bytes) => {
    environment.transactionSync(() => records.putSync(number, bytes, { append: true }));
  };
  return { close: () => environment.close(), records, write };
}

type Write = (number: number, bytes: Buffer) => void;

/** Milliseconds that the commits of orders took. */
function writeAll(write: Write, journal: readonly JournalRecord[]): number {
  let spentMs = 0;
  for (const { number, bytes, orders } of journal) {
    const startedMs = performance.now();
    write(number, bytes);
    if (orders > 0) spentMs += performance.now() - startedMs;
  }
  return spentMs;
}

function requireAll(records: NumberedRecords, journal: readonly JournalRecord[]): void {
  let read = 0;
  for (const { key, value } of everyRecord(records)) {
    const wanted = journal[read++];
    if (wanted?.number !== key || !wanted.bytes.equals(value))
      throw new Error(`commit ${key} is another one`);
  }
  if (read !== journal.length) throw new Error(`${read} of ${journal.length} commits are there`);
}

const { values: options } = parseArgs({
  options: { journal: { type: 'string' }, folder: { type: 'string' } },
});
const journal = await readJournal(options.journal!);
const written = openTable(options.folder!);
const spentMs = writeAll(written.write, journal);
await written.close();
const read = openTable(options.folder!);
requireAll(read.records, journal);
await read.close();
const ofOrders = journal.filter(({ orders }) => orders > 0);
const sum = (of: (record: JournalRecord) => number) =>
  ofOrders.reduce((total, record) => total + of(record), 0);
const orders = sum((record) => record.orders);
const round: LmdbRound = {
  ...{ ordersPerSecond: (orders / spentMs) * 1_000, orders },
  ...{ commits: ofOrders.length, bytes: sum((record) => record.bytes.length) },
};
process.stdout.write(`${JSON.stringify(round)}\n`);
