/**
 * Data folders whose journals say what a test wants them to say: sealed into a right hash chain by the store's own code,
 * whatever the entries mean.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SaleRecord } from '../../dist/sale/catalogue.js';
import { Batch, commitHash } from '../../dist/store/batch.js';
import { CatalogueStore } from '../../dist/store/catalogue-store.js';
import { genesisHash } from '../../dist/store/chain.js';
import { EntryType } from '../../dist/store/entry.js';
import { Journal } from '../../dist/store/journal.js';
import { writeText } from '../../dist/text.js';
import { storeId } from './commits.js';
import { tailOf } from './tails.js';

type SettledType = 'confirmed' | 'cancelled' | 'expired' | 'reacquired';

/** When the sale of `standardSale` opens and ends, ms since the epoch. */
export const opensMs = 1_000_000;
export const endsMs = 2_000_000;
export const holdMs = 100_000;

/** Sale "s", number 1, revision 1: SKU "a" of 10 units, 2 a buyer, in row 0; SKU "b" of 5 units in the next row. */
export const standardSale = {
  row: 0,
  revision: 1,
  saleNumber: 1,
  total: 10,
  limitPerBuyer: 2,
  holdSeconds: holdMs / 1_000,
  startsAtMs: opensMs,
  endsAtMs: endsMs,
  state: 0,
  spread: false,
  sale: 's',
  sku: 'a',
};

/** Entries by the names a test has for them. */
export class Entries {
  readonly #batch: Batch;
  readonly #bytes = Buffer.from(new ArrayBuffer(1024));
  readonly #words = new Int32Array(this.#bytes.buffer);

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  accept(given: {
    number: number;
    sequence: number;
    row?: number;
    quantity?: number;
    buyer?: string;
    key?: string;
    /** Durability, and 4 for an order born confirmed. */
    flags?: number;
  }): this {
    const { number, sequence, row = 0, quantity = 1, buyer = `u-${number}`, key = '', flags = 0 } = given;
    const buyerBytes = writeText(this.#bytes, 0, buyer);
    const keyBytes = writeText(this.#bytes, 512, key);
    this.#batch.accepted(row, flags, quantity, number, sequence, this.#words, 0, buyerBytes, 128, keyBytes);
    return this;
  }

  settle(type: SettledType, number: number): this {
    this.#batch.settled(EntryType[type], number);
    return this;
  }

  restock(row: number, quantity: number, key = ''): this {
    const keyBytes = writeText(this.#bytes, 0, key);
    this.#batch.restocked(row, quantity, this.#words, 0, keyBytes);
    return this;
  }

  define(given: Partial<typeof standardSale> = {}): this {
    const { sale, sku, ...definition } = { ...standardSale, ...given };
    const saleBytes = writeText(this.#bytes, 0, sale);
    const skuBytes = writeText(this.#bytes, 512, sku);
    const numbers = definition as Parameters<Batch['defined']>[0];
    this.#batch.defined(numbers, this.#words, 0, saleBytes, 128, skuBytes);
    return this;
  }

  remove(row: number): this {
    this.#batch.removed(row);
    return this;
  }

  control(saleNumber: number, state: number): this {
    this.#batch.controlled(saleNumber, state);
    return this;
  }
}

/** The journal of one shard in the making. */
export class ForgedJournal {
  readonly records: Buffer[] = [];
  readonly shard: number;
  #hash: Buffer;
  #nextSequence = 1;

  constructor(shard = 0) {
    this.shard = shard;
    this.#hash = genesisHash(storeId, shard);
  }

  /**
   * Adds a commit.
   *
   * @param alter changes the sealed record, which is given a right hash again
   */
  commit(timeMs: number, write: (entries: Entries) => void, alter?: (record: Buffer) => void): this {
    const batch = new Batch();
    write(new Entries(batch));
    const { count } = batch;
    const record = Buffer.from(batch.seal(this.records.length + 1, timeMs, this.#nextSequence, this.#hash));
    if (alter !== undefined) {
      alter(record);
      commitHash(record).copy(record, 0);
    }
    this.records.push(record);
    this.#hash = Buffer.from(record.subarray(0, 32));
    this.#nextSequence += count;
    return this;
  }

  /** Two SKUs and three orders of one sale, as they would be: what most tests go on from, with commit 3, order 3. */
  begin(): this {
    return this.commit(opensMs, (entries) =>
      entries.define().define({ row: 1, total: 5, limitPerBuyer: 0, sku: 'b' }),
    ).commit(opensMs + 10_000, (entries) =>
      entries
        .accept({ number: 0, sequence: 1, key: 'k-0' })
        .accept({ number: 1, sequence: 2, quantity: 2 })
        .accept({ number: 2, sequence: 1, row: 1, quantity: 3, key: 'k-2' }),
    );
  }
}

/** What the catalogue has of the standard sale. */
export function saleRecord(given: Partial<SaleRecord> = {}): SaleRecord {
  return {
    id: 's',
    number: 1,
    revision: 1,
    definition: {
      holdSeconds: holdMs / 1_000,
      skus: [
        { sku: 'a', stock: 10, limitPerBuyer: 2 },
        { sku: 'b', stock: 5 },
      ],
    },
    startsAtMs: opensMs,
    endsAtMs: endsMs,
    state: 0,
    places: [
      [0, 0],
      [1, 0],
    ],
    ...given,
  };
}

/** Writes a data folder of these journals, one per shard, and a catalogue. */
export async function writeFolder(
  path: string,
  journals: readonly ForgedJournal[],
  sales: readonly SaleRecord[] = [saleRecord()],
): Promise<void> {
  mkdirSync(path, { recursive: true });
  const description = { format: 3, storeId, shards: journals.length, complete: true };
  writeFileSync(join(path, 'leiniao.json'), JSON.stringify(description));
  for (const { shard, records } of journals) {
    const folder = join(path, `shard-${String(shard).padStart(3, '0')}`);
    await writeJournal(folder, shard, records);
    writeFileSync(join(folder, 'tail.bin'), tailOf([]));
  }
  const catalogue = new CatalogueStore(join(path, 'catalogue'), storeId);
  for (const sale of sales) await catalogue.put(sale);
  await catalogue.close();
}

/** Writes records as they are, numbered from 1. */
export async function writeJournal(path: string, shard: number, records: readonly Buffer[]): Promise<void> {
  const journal = await Journal.open({ path, storeId, shard, visit: () => undefined });
  if (records.length > 0) journal.append(1, records);
  await journal.close();
}
