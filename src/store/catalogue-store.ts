/** Sale definitions on disk: MessagePack records in an LMDB environment of their own. The engine's thread owns it. */
import { Packr } from 'msgpackr';
import { LeiniaoError } from '../errors.js';
import type { SaleRecord } from '../sale/catalogue.js';
import { saleDefinition } from '../sale/schema.js';
import { type Environment, everyRecord, type NamedRecords, openEnvironment } from './lmdb.js';

const bytesMax = 2 ** 32;

/** Plain maps on disk, so that any MessagePack reader can read them. */
const packr = new Packr({ useRecords: false });

export class CatalogueStore {
  readonly #environment: Environment;
  readonly #sales: NamedRecords;

  /** Opens the catalogue in folder `path`. Throws `data_dir_damaged`. */
  constructor(path: string) {
    this.#environment = openEnvironment(path, bytesMax);
    this.#sales = this.#environment.openDB<Buffer, string>({ name: 'sales', encoding: 'binary' });
  }

  /** Every stored sale, in the order in which they were created. */
  read(): SaleRecord[] {
    const records: SaleRecord[] = [];
    for (const { key, value } of everyRecord(this.#sales)) {
      records.push(readRecord(key, value));
    }
    return records.sort((a, b) => a.number - b.number);
  }

  /** Stores a sale, in place of an earlier version. It is on disk when this returns. */
  put(record: SaleRecord): void {
    this.#sales.putSync(record.id, packr.pack(record));
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}

function readRecord(id: string, bytes: Buffer): SaleRecord {
  let record: Partial<SaleRecord> | null;
  try {
    record = packr.unpack(bytes) as Partial<SaleRecord> | null;
  } catch (cause) {
    throw new LeiniaoError('data_dir_damaged', `the stored sale ${String(id)} cannot be read`, { cause });
  }
  const whole =
    record?.id === id &&
    Number.isInteger(record.number) &&
    Number.isInteger(record.revision) &&
    Array.isArray(record.places) &&
    saleDefinition.Check(record.definition) &&
    record.places.length === record.definition.skus.length;
  if (!whole) throw new LeiniaoError('data_dir_damaged', `the stored sale ${String(id)} is not a sale`);
  return record as SaleRecord;
}
