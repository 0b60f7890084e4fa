/** Sale definitions on disk: hashed MessagePack records in an LMDB environment of their own. The engine's thread owns it. */
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { LeiniaoError } from '../errors.js';
import type { SaleRecord } from '../sale/catalogue.js';
import { SaleState } from '../sale/phase.js';
import { saleDefinition } from '../sale/schema.js';
import { hashBytes } from './batch.js';
import {
  databaseFile,
  type Environment,
  everyRecord,
  type NamedRecords,
  openEnvironment,
  requireNewest,
  requireRoom,
} from './lmdb.js';

/** Plain maps on disk, so that any MessagePack reader can read them. */
const packr = new Packr({ useRecords: false });

export class CatalogueStore {
  readonly #path: string;
  #environment: Environment;
  #sales: NamedRecords;
  /** Of the database's file, to be read only. */
  readonly #descriptor: number;

  /** Opens the catalogue in folder `path`. Throws what `openEnvironment` throws. */
  constructor(path: string) {
    this.#path = path;
    [this.#environment, this.#sales] = openSales(path);
    this.#descriptor = openSync(join(path, databaseFile), 'r');
  }

  /** Every stored sale, in the order in which they were created. */
  read(): SaleRecord[] {
    const records: SaleRecord[] = [];
    for (const { key, value } of everyRecord(this.#sales)) {
      records.push(readRecord(key, value));
    }
    return records.sort((a, b) => a.number - b.number);
  }

  /**
   * Stores a sale, in place of an earlier version. It is on disk when this resolves.
   *
   * @throws whatever the disk reports; the sale is not stored then. A write that failed is not tried again: only what a
   *   newly opened environment shows counts, because LMDB may have failed before or after the record was there.
   */
  async put(record: SaleRecord): Promise<void> {
    const bytes = seal(packr.pack(record));
    requireRoom(this.#path, bytes.length);
    try {
      this.#environment.transactionSync(() => {
        requireNewest(this.#environment, this.#descriptor);
        this.#sales.putSync(record.id, bytes);
      });
    } catch (error) {
      await this.#environment.close();
      this.#reopen(error);
      if (!this.#sales.get(record.id)?.equals(bytes)) throw error;
    }
  }

  /** @param failed what the write failed with: where opening fails too, that came first */
  #reopen(failed: unknown): void {
    try {
      [this.#environment, this.#sales] = openSales(this.#path);
    } catch (error) {
      throw new AggregateError([failed, error], `${(failed as Error).message}; ${(error as Error).message}`);
    }
  }

  async close(): Promise<void> {
    closeSync(this.#descriptor);
    await this.#environment.close();
  }
}

function openSales(path: string): [Environment, NamedRecords] {
  const environment = openEnvironment(path);
  return [environment, environment.openDB<Buffer, string>({ name: 'sales', encoding: 'binary' })];
}

/** A record with the SHA-256 of its content in front: LMDB does not notice a byte that changed. */
function seal(content: Buffer): Buffer {
  return Buffer.concat([createHash('sha256').update(content).digest(), content]);
}

function unseal(bytes: Buffer): Buffer {
  const content = bytes.subarray(hashBytes);
  const hash = createHash('sha256').update(content).digest();
  if (!hash.equals(bytes.subarray(0, hashBytes))) throw new Error('its content does not match its hash');
  return content;
}

function readRecord(id: string, bytes: Buffer): SaleRecord {
  let record: Partial<SaleRecord> | null;
  try {
    record = packr.unpack(unseal(bytes)) as Partial<SaleRecord> | null;
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
