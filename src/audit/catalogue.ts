/** The catalogue's records as the auditor reads them: MessagePack maps, one per sale, each behind a SHA-256. */
import { createHash } from 'node:crypto';
import { Unpackr } from 'msgpackr';
import { openSnapshot } from '../store/lmdb-snapshot.js';
import { contract } from './contract.js';
import { SaleState } from './entry.js';
import { cataloguePath, type Folder } from './folder.js';
import { wrong } from './wrong.js';

export interface CatalogueSku {
  readonly id: string;
  readonly stock: number;
  /** 0 for none. */
  readonly limitPerBuyer: number;
  readonly row: number;
  readonly shard: number;
}

export interface CatalogueSale {
  readonly id: string;
  readonly number: number;
  readonly revision: number;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly holdSeconds: number;
  readonly state: number;
  readonly skus: readonly CatalogueSku[];
}

interface StoredSale {
  readonly id?: unknown;
  readonly number?: unknown;
  readonly revision?: unknown;
  readonly startsAtMs?: unknown;
  readonly endsAtMs?: unknown;
  readonly state?: unknown;
  readonly places?: unknown;
  readonly definition?: {
    readonly holdSeconds?: number;
    readonly skus?: readonly {
      readonly sku: string;
      readonly stock: number;
      readonly limitPerBuyer?: number;
    }[];
  };
}

const hashBytes = 32;
const unpackr = new Unpackr({ useRecords: false });

/**
 * Every sale, as it is at one moment.
 *
 * @throws LeiniaoError when the database is not whole; Wrong when a record is no sale
 */
export async function readCatalogue(folder: Folder): Promise<CatalogueSale[]> {
  const path = cataloguePath(folder);
  const snapshot = await openSnapshot<string>(path, 'sales');
  try {
    const sales: CatalogueSale[] = [];
    for (const { key, value } of snapshot.records()) sales.push(readSale(folder, key, value));
    return sales.sort((a, b) => a.number - b.number);
  } finally {
    await snapshot.close();
  }
}

function readSale({ storeId }: Folder, id: string, bytes: Buffer): CatalogueSale {
  const content = bytes.subarray(hashBytes);
  // The store's id is in it, so that no other store's catalogue passes for this one's.
  const hash = createHash('sha256').update(storeId).update(content).digest();
  if (!hash.equals(bytes.subarray(0, hashBytes))) {
    return wrong(`the catalogue's record of sale ${id} does not match its hash, or is another store's`);
  }
  let stored: StoredSale | null;
  try {
    stored = unpackr.unpack(content) as StoredSale | null;
  } catch {
    return wrong(`the catalogue's record of sale ${id} cannot be read`);
  }
  const sale = stored === null ? undefined : saleOf(stored);
  return sale?.id === id ? sale : wrong(`the catalogue's record of sale ${id} is no sale`);
}

/** The sale that a record is, or undefined when it is none. */
function saleOf(stored: StoredSale): CatalogueSale | undefined {
  const { id, number, revision, startsAtMs, endsAtMs, state, places, definition } = stored;
  const skus = definition?.skus;
  const whole =
    typeof id === 'string' &&
    Number.isInteger(number) &&
    Number.isInteger(revision) &&
    Number.isInteger(startsAtMs) &&
    (endsAtMs === null || Number.isInteger(endsAtMs)) &&
    Object.values(SaleState).includes(state as SaleState) &&
    Array.isArray(places) &&
    Array.isArray(skus) &&
    places.length === skus.length &&
    places.every(isPlace) &&
    skus.every(isSku);
  if (!whole) return undefined;
  return {
    id,
    number: number as number,
    revision: revision as number,
    startsAtMs: startsAtMs as number,
    endsAtMs: (endsAtMs as number | null) ?? Number.POSITIVE_INFINITY,
    holdSeconds: definition?.holdSeconds ?? contract.holdSecondsDefault,
    state: state as number,
    skus: skus.map(({ sku, stock, limitPerBuyer = 0 }, i) => {
      const [row, shard] = places[i] as [number, number];
      return { id: sku, stock, limitPerBuyer, row, shard };
    }),
  };
}

function isPlace(place: unknown): boolean {
  return Array.isArray(place) && place.length === 2 && place.every(Number.isInteger);
}

function isSku(given: unknown): boolean {
  const { sku, stock, limitPerBuyer = 0 } = (given ?? {}) as Record<string, unknown>;
  return typeof sku === 'string' && Number.isInteger(stock) && Number.isInteger(limitPerBuyer);
}
