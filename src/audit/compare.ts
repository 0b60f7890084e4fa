/**
 * The catalogue beside the journals: whether the sales that were declared are the sales that were sold. The engine writes
 * the catalogue first and tells the shards afterwards, so what has not reached a shard yet is a note. Pure.
 */
import type { CatalogueSale, CatalogueSku } from './catalogue.js';
import { SaleState } from './entry.js';
import type { Sku } from './sale-ledger.js';
import type { Finding } from './wrong.js';

export interface Comparison {
  readonly findings: Finding[];
  readonly notes: string[];
}

/**
 * @param catalogue read after the journals, so that no journal is ahead of it
 * @param ledgers by shard: SKUs by stock row, or undefined where the journal could not be read to its end
 */
export function compare(
  catalogue: readonly CatalogueSale[],
  shards: number,
  ledgers: readonly (ReadonlyMap<number, Sku> | undefined)[],
): Comparison {
  const result: Comparison = { findings: [], notes: [] };
  const declared = new Set<string>();
  const rows = new Set<number>();
  /** By SKU: its stock row. */
  const places = new Map<string, number>();
  for (const sale of catalogue) {
    for (const sku of sale.skus) {
      const name = `${sale.number}/${sku.id}`;
      if (declared.has(name)) result.findings.push({ text: `the catalogue has ${sale.id}/${sku.id} twice` });
      if (rows.has(sku.row)) result.findings.push({ text: `the catalogue uses stock row ${sku.row} twice` });
      declared.add(name);
      places.set(name, sku.row);
      rows.add(sku.row);
      if (sku.shard === sku.row % shards) compareSku(sale, sku, ledgers[sku.shard], result);
      else result.findings.push({ text: misplaced(sale, sku) });
    }
  }
  const numbers = new Set(catalogue.map(({ number }) => number));
  for (const [shard, ledger] of ledgers.entries()) {
    for (const sku of ledger?.values() ?? []) {
      if (!declared.has(`${sku.sale.number}/${sku.id}`)) {
        undeclared(shard, sku, numbers.has(sku.sale.number), result);
      } else if (places.get(`${sku.sale.number}/${sku.id}`) !== sku.row) {
        elsewhere(shard, sku, result);
      }
    }
  }
  return result;
}

function compareSku(
  sale: CatalogueSale,
  declared: CatalogueSku,
  ledger: ReadonlyMap<number, Sku> | undefined,
  result: Comparison,
): void {
  const { row, shard } = declared;
  const name = `${sale.id}/${declared.id}`;
  if (ledger === undefined) return;
  const sku = ledger.get(row);
  const here = sku !== undefined && sku.sale.number === sale.number && sku.id === declared.id;
  if (!here || sku.revision < sale.revision) {
    if (sku !== undefined && sku.sequence > 0) {
      const text = `${sku.sale.id}/${sku.id} has orders, and the catalogue has replaced it by ${name}`;
      result.findings.push({ shard, text });
      return;
    }
    result.notes.push(`shard ${shard} has yet to be told of ${name} in revision ${sale.revision}`);
    return;
  }
  for (const text of differences(sale, declared, sku)) {
    result.findings.push({ shard, text: `${name}: ${text}` });
  }
  if (sku.sale.state === SaleState.ended && sale.state !== SaleState.ended) {
    const text = `sale ${sale.id} has ended in the journal, and not in the catalogue`;
    result.findings.push({ shard, text });
    return;
  }
  const note = `shard ${shard} has yet to be told the state of sale ${sale.id}`;
  if (sku.sale.state !== sale.state && result.notes.at(-1) !== note) result.notes.push(note);
}

/** What the catalogue and the journal say differently of a SKU in one revision. */
function differences(sale: CatalogueSale, declared: CatalogueSku, sku: Sku): string[] {
  const pairs: readonly (readonly [what: string, declared: unknown, journalled: unknown])[] = [
    ['the sale', sale.id, sku.sale.id],
    ['the revision', sale.revision, sku.revision],
    ['the stock', declared.stock, sku.stock],
    ['the limit per buyer', declared.limitPerBuyer, sku.limitPerBuyer],
    ['the hold in seconds', sale.holdSeconds, sku.sale.holdSeconds],
    ['the start in ms', sale.startsAtMs, sku.sale.startsAtMs],
    ['the end in ms', sale.endsAtMs, sku.sale.endsAtMs],
    ['whether several shards have it', isSpread(sale), sku.sale.spread],
  ];
  return pairs
    .filter(([, a, b]) => a !== b)
    .map(([what, a, b]) => `${what} is ${String(a)} in the catalogue and ${String(b)} in the journal`);
}

function isSpread({ skus }: CatalogueSale): boolean {
  return new Set(skus.map(({ shard }) => shard)).size > 1;
}

function misplaced(sale: CatalogueSale, { id, row, shard }: CatalogueSku): string {
  return `the catalogue puts ${sale.id}/${id} in stock row ${row} of shard ${shard}`;
}

/** A SKU that the catalogue has in another stock row: one that a replacement gave up, and got again. */
function elsewhere(shard: number, sku: Sku, result: Comparison): void {
  const text = `${sku.sale.id}/${sku.id} is in another stock row in the catalogue than in row ${sku.row}`;
  if (sku.sequence > 0) result.findings.push({ shard, text: `${text}, and has orders there` });
  else result.notes.push(`shard ${shard}: ${text}; it has no orders there`);
}

/** @param knowsSale whether the catalogue has the sale without this SKU: then it was replaced. Sales are never removed. */
function undeclared(shard: number, sku: Sku, knowsSale: boolean, result: Comparison): void {
  const text = `${sku.sale.id}/${sku.id} is not in the catalogue`;
  if (!knowsSale) result.findings.push({ shard, text: `sale ${sku.sale.id} is not in the catalogue` });
  else if (sku.sequence > 0) result.findings.push({ shard, text: `${text}, and has orders` });
  else result.notes.push(`shard ${shard}: ${text}; it has no orders`);
}
