/**
 * Which sales exist, what they sell and which shard owns which SKU. Pure bookkeeping: it plans changes and takes
 * them in; making them durable and telling the shards is the engine's. Owned by the thread that started the
 * engine; acceptors read it.
 */
import { assert } from '../assert.js';
import { limits } from '../config.js';
import { invalid, type Refusal, refuse, type ValidationIssue } from '../errors.js';
import { issuesOf } from '../validation.js';
import { Phase, phaseAt, SaleState } from './phase.js';
import { formatSentences } from './rules.js';
import { type SaleDefinition, saleDefinition } from './schema.js';

export interface CatalogueSku {
  readonly sku: string;
  readonly sale: CatalogueSale;
  /** Row of the stock table. */
  readonly row: number;
  /** The owner. */
  readonly shard: number;
  /** Units the definition declares. */
  readonly stock: number;
  readonly limitPerBuyer: number | undefined;
}

export interface CatalogueSale {
  readonly id: string;
  /** Unique in a store, never used again. */
  readonly number: number;
  /** Unique in a store; a replacement gets a new one. */
  readonly revision: number;
  readonly definition: SaleDefinition;
  readonly startsAtMs: number;
  /** `Infinity` for a sale without an end. */
  readonly endsAtMs: number;
  readonly holdSeconds: number;
  /** In the order of the definition. */
  readonly skus: readonly CatalogueSku[];
  readonly skuById: ReadonlyMap<string, CatalogueSku>;
  state: SaleState;
  /** Set while a replacement is under way: new orders are answered `not_started`. */
  frozen: boolean;
}

/** What is stored of a sale. Infinity is null, so that any format can carry it. */
export interface SaleRecord {
  readonly id: string;
  readonly number: number;
  readonly revision: number;
  readonly definition: SaleDefinition;
  readonly startsAtMs: number;
  readonly endsAtMs: number | null;
  readonly state: SaleState;
  /** By SKU in the order of the definition: stock row and owner. */
  readonly places: readonly (readonly [row: number, shard: number])[];
}

const outOfRows =
  `A data folder has room for ${limits.stockRowsMax} SKUs in all, and each shard for its share of them: ` +
  'further sales need a new one.';

export type SalePlan =
  | { readonly kind: 'unchanged'; readonly sale: CatalogueSale }
  | {
      readonly kind: 'create' | 'replace';
      readonly sale: CatalogueSale;
      /** What it replaces. */
      readonly before: CatalogueSale | undefined;
      /** SKUs that the replacement no longer has. */
      readonly removed: readonly CatalogueSku[];
    }
  | Refusal;

export class Catalogue {
  readonly #shards: number;
  readonly #sales = new Map<string, CatalogueSale>();
  readonly #rows: (CatalogueSku | undefined)[] = new Array(limits.stockRowsMax).fill(undefined);
  #lastFound: CatalogueSku | undefined = undefined;
  #lastNumber = 0;
  #lastRevision = 0;

  constructor(shards: number) {
    this.#shards = shards;
  }

  get(id: string): CatalogueSale | undefined {
    return this.#sales.get(id);
  }

  /** The SKU of a sale. The one that was found last is found without a look-up: in a rush nearly all ask for it. */
  sku(saleId: string, sku: string): CatalogueSku | undefined {
    const last = this.#lastFound;
    if (last !== undefined && last.sku === sku && last.sale.id === saleId) return last;
    const found = this.#sales.get(saleId)?.skuById.get(sku);
    if (found !== undefined) this.#lastFound = found;
    return found;
  }

  /** Every sale, oldest first. */
  sales(): IterableIterator<CatalogueSale> {
    return this.#sales.values();
  }

  /** The SKU in a stock row. */
  skuInRow(row: number): CatalogueSku {
    const sku = this.#rows[row];
    assert(sku !== undefined, 'a reply names a stock row that is in use');
    return sku;
  }

  /** Plans a `PUT` of a sale; nothing changes until `take`. The definition is kept: the caller gives it away. */
  plan(id: string, definition: SaleDefinition, nowMs: number): SalePlan {
    const misshapen = issuesOf(saleDefinition, definition, formatSentences);
    if (misshapen.length > 0) return malformed(misshapen);
    const startsAtMs = definition.startsAt === undefined ? nowMs : Date.parse(definition.startsAt);
    const endsAtMs =
      definition.endsAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(definition.endsAt);
    const issues = furtherIssues(definition, startsAtMs, endsAtMs);
    if (issues.length > 0) return malformed(issues);
    return this.#planFor(id, definition, startsAtMs, endsAtMs, nowMs);
  }

  #planFor(
    id: string,
    definition: SaleDefinition,
    startsAtMs: number,
    endsAtMs: number,
    nowMs: number,
  ): SalePlan {
    const before = this.#sales.get(id);
    if (before !== undefined) {
      if (sameDefinition(before.definition, definition)) return { kind: 'unchanged', sale: before };
      if (phaseAt(before, before.state, nowMs) !== Phase.scheduled) {
        return refuse(
          'sale_open',
          isOver(before, nowMs)
            ? 'The sale has ended and keeps its orders: give the new one another id.'
            : 'The sale has opened: restock, pause or end it instead of replacing it.',
        );
      }
    }
    if (this.#skusOnSale(before, nowMs) + definition.skus.length > limits.skusMax) {
      return refuse('overloaded', `There is room for ${limits.skusMax} SKUs in sales that are not over.`, 60);
    }
    const places = this.#place(definition, before, nowMs);
    // No Retry-After: waiting does not help.
    if (places === undefined) return refuse('overloaded', outOfRows);
    const sale = build({
      id,
      number: before?.number ?? this.#lastNumber + 1,
      revision: this.#lastRevision + 1,
      definition,
      startsAtMs,
      endsAtMs: endsAtMs === Number.POSITIVE_INFINITY ? null : endsAtMs,
      state: before?.state ?? SaleState.running,
      places,
    });
    const removed = (before?.skus ?? []).filter((sku) => !sale.skuById.has(sku.sku));
    return { kind: before === undefined ? 'create' : 'replace', sale, before, removed };
  }

  /** SKUs in sales that are not over, but for those of one sale. */
  #skusOnSale(except: CatalogueSale | undefined, nowMs: number): number {
    let count = 0;
    for (const sale of this.#sales.values()) {
      if (sale !== except && !isOver(sale, nowMs)) count += sale.skus.length;
    }
    return count;
  }

  /**
   * Rows and owners for a definition's SKUs: those it keeps stay where they are; the others go, largest first,
   * to the shard with the least declared stock (Graham's LPT rule, 1969). A row belongs to the shard that is its
   * number modulo the shards, for ever: so no two shards ever write the same row, recovery included. Undefined
   * when no rows are left.
   */
  #place(
    definition: SaleDefinition,
    before: CatalogueSale | undefined,
    nowMs: number,
  ): [number, number][] | undefined {
    const loads = new Float64Array(this.#shards);
    // One unit on top, so that SKUs without stock are spread as well.
    const load = (shard: number, stock: number): void => {
      loads[shard]! += stock + 1;
    };
    for (const sale of this.#sales.values()) {
      if (sale === before || isOver(sale, nowMs)) continue;
      for (const sku of sale.skus) load(sku.shard, sku.stock);
    }
    const kept = before?.skuById ?? new Map<string, CatalogueSku>();
    for (const { sku, stock } of definition.skus) {
      const old = kept.get(sku);
      if (old !== undefined) load(old.shard, stock);
    }
    const nextRow = Array.from(loads, (_, shard) => this.#freeRowFrom(shard));
    const places: [number, number][] = new Array(definition.skus.length);
    const order = definition.skus.map((_, i) => i);
    order.sort((a, b) => definition.skus[b]!.stock - definition.skus[a]!.stock);
    for (const i of order) {
      const { sku, stock } = definition.skus[i]!;
      const old = kept.get(sku);
      if (old !== undefined) {
        places[i] = [old.row, old.shard];
        continue;
      }
      let least = -1;
      for (let shard = 0; shard < this.#shards; shard++) {
        if (nextRow[shard]! < limits.stockRowsMax && (least === -1 || loads[shard]! < loads[least]!))
          least = shard;
      }
      if (least === -1) return undefined;
      places[i] = [nextRow[least]!, least];
      load(least, stock);
      nextRow[least] = this.#freeRowFrom(nextRow[least]! + this.#shards);
    }
    return places;
  }

  /** The first free row at or after `row` that belongs to the same shard, or one past the table. */
  #freeRowFrom(row: number): number {
    let free = row;
    while (free < limits.stockRowsMax && this.#rows[free] !== undefined) free += this.#shards;
    return free;
  }

  /** Takes a planned sale in, in place of the one it replaces. */
  take(sale: CatalogueSale): void {
    for (const sku of this.#sales.get(sale.id)?.skus ?? []) this.#rows[sku.row] = undefined;
    for (const sku of sale.skus) {
      assert(this.#rows[sku.row] === undefined, 'a stock row has one SKU');
      assert(sku.row % this.#shards === sku.shard, 'a stock row has one owner');
      this.#rows[sku.row] = sku;
    }
    this.#sales.set(sale.id, sale);
    this.#lastFound = undefined;
    this.#lastNumber = Math.max(this.#lastNumber, sale.number);
    this.#lastRevision = Math.max(this.#lastRevision, sale.revision);
  }
}

function isOver(sale: CatalogueSale, nowMs: number): boolean {
  return phaseAt(sale, sale.state, nowMs) === Phase.ended;
}

/** A sale from its record. */
export function build(record: SaleRecord): CatalogueSale {
  const skus: CatalogueSku[] = [];
  const skuById = new Map<string, CatalogueSku>();
  const sale: CatalogueSale = {
    id: record.id,
    number: record.number,
    revision: record.revision,
    definition: record.definition,
    startsAtMs: record.startsAtMs,
    endsAtMs: record.endsAtMs ?? Number.POSITIVE_INFINITY,
    holdSeconds: record.definition.holdSeconds ?? limits.holdSecondsDefault,
    skus,
    skuById,
    state: record.state,
    frozen: false,
  };
  for (const [i, { sku, stock, limitPerBuyer }] of record.definition.skus.entries()) {
    const [row, shard] = record.places[i]!;
    const entry: CatalogueSku = { sku, sale, row, shard, stock, limitPerBuyer };
    skus.push(entry);
    skuById.set(sku, entry);
  }
  return sale;
}

/** The record of a sale. */
export function recordOf(sale: CatalogueSale): SaleRecord {
  return {
    id: sale.id,
    number: sale.number,
    revision: sale.revision,
    definition: sale.definition,
    startsAtMs: sale.startsAtMs,
    endsAtMs: sale.endsAtMs === Number.POSITIVE_INFINITY ? null : sale.endsAtMs,
    state: sale.state,
    places: sale.skus.map(({ row, shard }) => [row, shard]),
  };
}

function malformed(errors: readonly ValidationIssue[]): Refusal {
  return invalid('The sale is malformed.', errors);
}

/** The first and the last instant that RFC 3339 can write. */
const writtenMsMin = Date.parse('0000-01-01T00:00:00Z');
const writtenMsMax = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** What a schema cannot say: times that are no times, an end before its start, the same SKU twice. */
function furtherIssues(definition: SaleDefinition, startsAtMs: number, endsAtMs: number): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  if (Number.isNaN(startsAtMs)) issues.push({ path: '/startsAt', message: 'is not a time on the calendar' });
  if (Number.isNaN(endsAtMs)) issues.push({ path: '/endsAt', message: 'is not a time on the calendar' });
  if (startsAtMs < writtenMsMin) issues.push({ path: '/startsAt', message: 'must not be before the year 0' });
  if (startsAtMs > writtenMsMax) issues.push({ path: '/startsAt', message: 'must be before the year 10000' });
  if (definition.endsAt !== undefined && endsAtMs > writtenMsMax) {
    issues.push({ path: '/endsAt', message: 'must be before the year 10000' });
  }
  if (endsAtMs <= startsAtMs) issues.push({ path: '/endsAt', message: 'must be after the start' });
  const seen = new Set<string>();
  for (const [i, { sku }] of definition.skus.entries()) {
    if (seen.has(sku)) issues.push({ path: `/skus/${i}/sku`, message: 'is in the sale already' });
    seen.add(sku);
  }
  return issues;
}

function sameDefinition(a: SaleDefinition, b: SaleDefinition): boolean {
  return canonical(a) === canonical(b);
}

/** The same text for the same sale, whatever the order of properties and whether defaults are spelt out. */
function canonical(definition: SaleDefinition): string {
  return JSON.stringify([
    definition.name ?? null,
    definition.startsAt === undefined ? null : Date.parse(definition.startsAt),
    definition.endsAt === undefined ? null : Date.parse(definition.endsAt),
    definition.holdSeconds ?? limits.holdSecondsDefault,
    definition.skus.map(({ sku, stock, limitPerBuyer }) => [sku, stock, limitPerBuyer ?? null]),
  ]);
}

/** The shards that own SKUs of a sale. */
export function ownersOf(sale: CatalogueSale): Set<number> {
  return new Set(sale.skus.map((sku) => sku.shard));
}
