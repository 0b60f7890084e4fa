/** Sale definitions on disk: hashed MessagePack records in an LMDB environment of their own. The engine's thread owns it. */
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { assert } from '../assert.js';
import { LeiniaoError } from '../errors.js';
import type { SaleRecord } from '../sale/catalogue.js';
import { SaleState } from '../sale/phase.js';
import { saleDefinition } from '../sale/schema.js';
import { hashBytes } from './batch.js';
import {
  databaseFile,
  type Environment,
  everyRecord,
  lmdbFailure,
  type NamedRecords,
  openEnvironment,
  requireNewest,
  requireRoom,
  tableOptions,
} from './lmdb.js';

/** Plain maps on disk, so that any MessagePack reader can read them. */
const packr = new Packr({ useRecords: false });

/** A write failed, and so did the look at what is on disk: it may be there or not. `CatalogueStore.settle` tells. */
export class UnsettledPut extends AggregateError {
  override readonly name = 'UnsettledPut';
}

interface SealedSale {
  readonly id: string;
  readonly bytes: Buffer;
}

/** What is open of a catalogue. */
interface OpenCatalogue {
  readonly environment: Environment;
  readonly sales: NamedRecords;
  /** Of the database's file, to be read only. */
  readonly descriptor: number;
}

export class CatalogueStore {
  readonly #path: string;
  readonly #storeId: string;
  /** Undefined as long as anything is unsettled, and once closed. */
  #open: OpenCatalogue | undefined;
  /** What may be on disk or not. */
  #unsettled: SealedSale | undefined = undefined;

  /** Opens the catalogue of a store in folder `path`. Throws what `openEnvironment` throws. */
  constructor(path: string, storeId: string) {
    this.#path = path;
    this.#storeId = storeId;
    this.#open = openCatalogue(path);
  }

  /** Every stored sale, in the order in which they were created. */
  read(): SaleRecord[] {
    const records: SaleRecord[] = [];
    for (const { key, value } of everyRecord(this.#open!.sales)) {
      records.push(readRecord(this.#storeId, key, value));
    }
    return records.sort((a, b) => a.number - b.number);
  }

  /**
   * Stores a sale, in place of an earlier version. It is on disk when this resolves.
   *
   * @throws UnsettledPut where it cannot be told whether the sale is stored: `settle` has to come before the next change;
   *   otherwise whatever the disk reports, and the sale is not stored. A write that failed is not tried again blindly: what
   *   a newly opened environment shows counts, because LMDB may have failed before or after the record was there.
   */
  async put(record: SaleRecord): Promise<void> {
    assert(this.#unsettled === undefined, 'what was not settled comes first');
    const sale = { id: record.id, bytes: seal(this.#storeId, packr.pack(record)) };
    requireRoom(this.#path, sale.bytes.length);
    try {
      write(this.#open!, sale);
    } catch (error) {
      this.#unsettled = sale;
      if (!(await this.#settle(sale, error))) throw error;
    }
  }

  /**
   * Whether the sale is stored that could not be settled. If so, it is on disk when this resolves.
   *
   * @throws UnsettledPut where that cannot be told yet
   */
  async settle(): Promise<boolean> {
    const sale = this.#unsettled;
    assert(sale !== undefined, 'there is something to settle');
    return await this.#settle(sale, new Error('a write had failed'));
  }

  /** @param failed what the write failed with: where this fails too, that came first */
  async #settle(sale: SealedSale, failed: unknown): Promise<boolean> {
    try {
      // What it failed in is not believed any more.
      await this.#close();
      this.#open = openCatalogue(this.#path);
      const there = this.#open.sales.get(sale.id)?.equals(sale.bytes) === true;
      if (there) {
        // What is read may be in memory only: the disk may have refused to take it. A whole commit takes it there.
        requireRoom(this.#path, sale.bytes.length);
        write(this.#open, sale);
      }
      this.#unsettled = undefined;
      return there;
    } catch (error) {
      // What fails here as well says no more than that.
      await this.#close().catch(() => undefined);
      throw new UnsettledPut([failed, error], `${(failed as Error).message}; ${(error as Error).message}`);
    }
  }

  async close(): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    try {
      closeSync(open.descriptor);
    } finally {
      await open.environment.close();
    }
  }
}

function openCatalogue(path: string): OpenCatalogue {
  const environment = openEnvironment(path, 'sales');
  try {
    return {
      environment,
      sales: environment.openDB<Buffer, string>(tableOptions('sales')),
      // Anew as well: whoever mended the file may have put another one in its place.
      descriptor: openSync(join(path, databaseFile), 'r'),
    };
  } catch (cause) {
    environment.close().catch(() => undefined);
    throw lmdbFailure(path, cause);
  }
}

function write({ environment, sales, descriptor }: OpenCatalogue, { id, bytes }: SealedSale): void {
  environment.transactionSync(() => {
    requireNewest(environment, descriptor);
    sales.putSync(id, bytes);
  });
}

/**
 * A record with the SHA-256 of its store's id and its content in front: LMDB does not notice a byte that changed, and
 * nothing else tells the catalogue of one store from that of another, whose SKUs are in other rows.
 */
function seal(storeId: string, content: Buffer): Buffer {
  return Buffer.concat([hashOf(storeId, content), content]);
}

function unseal(storeId: string, bytes: Buffer): Buffer {
  const content = bytes.subarray(hashBytes);
  if (!hashOf(storeId, content).equals(bytes.subarray(0, hashBytes)))
    throw new Error('its content does not match its hash, or it is another store’s');
  return content;
}

function hashOf(storeId: string, content: Buffer): Buffer {
  return createHash('sha256').update(storeId).update(content).digest();
}

function readRecord(storeId: string, id: string, bytes: Buffer): SaleRecord {
  let record: Partial<SaleRecord> | null;
  try {
    record = packr.unpack(unseal(storeId, bytes)) as Partial<SaleRecord> | null;
  } catch (cause) {
    throw new LeiniaoError('data_dir_damaged', `the stored sale ${String(id)} cannot be read`, { cause });
  }
  const whole =
    record?.id === id &&
    Number.isInteger(record.number) &&
    Number.isInteger(record.revision) &&
    Number.isInteger(record.startsAtMs) &&
    (record.endsAtMs === null || Number.isInteger(record.endsAtMs)) &&
    Object.values(SaleState).includes(record.state as SaleState) &&
    Array.isArray(record.places) &&
    record.places.every((place) => Array.isArray(place) && place.every(Number.isInteger)) &&
    saleDefinition.Check(record.definition) &&
    record.places.length === record.definition.skus.length;
  if (!whole) throw new LeiniaoError('data_dir_damaged', `the stored sale ${String(id)} is not a sale`);
  return record as SaleRecord;
}
