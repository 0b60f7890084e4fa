/** The catalogue: which shard owns what, and what a PUT may change. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../dist/config.js';
import { build, Catalogue, type CatalogueSale, recordOf, type SalePlan } from '../../dist/sale/catalogue.js';
import { SaleState } from '../../dist/sale/phase.js';
import type { SaleDefinition } from '../../dist/sale/schema.js';
import { runs, seeded } from '../support/random.js';

const nowMs = Date.parse('2026-11-11T00:00:00Z');
const later = '2026-11-12T00:00:00Z';
const definition: SaleDefinition = { startsAt: later, skus: [{ sku: 'a', stock: 10 }] };

type Planned = Extract<SalePlan, { kind: 'create' | 'replace' }>;

function planned(plan: SalePlan): Planned {
  if ('ok' in plan || plan.kind === 'unchanged') throw new Error(`not planned: ${JSON.stringify(plan)}`);
  return plan;
}

function put(catalogue: Catalogue, id: string, given: SaleDefinition, atMs = nowMs): Planned {
  const plan = planned(catalogue.plan(id, given, atMs));
  catalogue.take(plan.sale);
  return plan;
}

function skusOf(
  count: number,
  prefix: string,
  stock: (i: number) => number = () => 1,
): SaleDefinition['skus'] {
  return Array.from({ length: count }, (_, i) => ({ sku: `${prefix}-${i}`, stock: stock(i) }));
}

test('a replacement is balanced by what it declares, not by what it replaces', () => {
  const catalogue = new Catalogue(2);
  const sale = (skus: SaleDefinition['skus']): SaleDefinition => ({ startsAt: later, skus });
  put(catalogue, 's', sale([{ sku: 'a', stock: 1 }]));
  put(catalogue, 't', sale([{ sku: 'z', stock: 100 }]));
  const a = catalogue.get('s')!.skuById.get('a')!.shard;
  expect(catalogue.get('t')!.skus[0]!.shard).not.toBe(a);
  const { sale: replaced } = put(
    catalogue,
    's',
    sale([
      { sku: 'a', stock: 1_000_000 },
      { sku: 'b', stock: 500 },
    ]),
  );
  expect(replaced.skuById.get('a')!.shard).toBe(a);
  expect(replaced.skuById.get('b')!.shard).not.toBe(a);
});

test('planning changes nothing', () => {
  const catalogue = new Catalogue(2);
  planned(catalogue.plan('s', definition, nowMs));
  expect(catalogue.get('s')).toBeUndefined();
  expect([...catalogue.sales()]).toEqual([]);
});

test('a sale is what its definition says, with the defaults of the contract', () => {
  const { sale, kind, before, removed } = put(new Catalogue(1), 's', { skus: [{ sku: 'a', stock: 5 }] });
  expect({ kind, before, removed }).toEqual({ kind: 'create', before: undefined, removed: [] });
  expect(sale).toMatchObject({
    id: 's',
    startsAtMs: nowMs,
    endsAtMs: Number.POSITIVE_INFINITY,
    holdSeconds: limits.holdSecondsDefault,
    state: SaleState.running,
    frozen: false,
  });
  expect(sale.skus).toHaveLength(1);
  expect(sale.skuById.get('a')).toMatchObject({ sku: 'a', stock: 5, limitPerBuyer: undefined });
});

describe('a PUT of the same sale', () => {
  const full: SaleDefinition = {
    name: 'Phones',
    startsAt: '2026-11-11T00:00:00Z',
    endsAt: '2026-11-11T01:00:00Z',
    holdSeconds: 300,
    skus: [
      { sku: 'a', stock: 10, limitPerBuyer: 1 },
      { sku: 'b', stock: 20 },
    ],
  };

  test.each<[string, SaleDefinition]>([
    ['itself', full],
    [
      'its properties in another order',
      { ...full, skus: full.skus.map(({ stock, sku, ...rest }) => ({ stock, sku, ...rest })) },
    ],
    ['its times written otherwise', { ...full, startsAt: '2026-11-11T08:00:00.000+08:00' }],
    [
      'a default left out',
      { name: 'Phones', startsAt: full.startsAt!, endsAt: full.endsAt!, skus: full.skus },
    ],
  ])('as %s is unchanged, also once it has opened or ended', (_, same) => {
    const catalogue = new Catalogue(1);
    const { sale } = put(catalogue, 's', full, nowMs - 1);
    for (const atMs of [nowMs - 1, nowMs, nowMs + 2 * 3_600_000]) {
      expect(catalogue.plan('s', same, atMs)).toEqual({ kind: 'unchanged', sale });
    }
  });

  test.each<[string, SaleDefinition]>([
    ['another name', { ...full, name: 'Phone' }],
    ['another start', { ...full, startsAt: '2026-11-11T00:00:00.001Z' }],
    ['no end', { name: 'Phones', startsAt: full.startsAt!, skus: full.skus }],
    ['another hold', { ...full, holdSeconds: 0 }],
    ['another stock', { ...full, skus: [{ sku: 'a', stock: 11, limitPerBuyer: 1 }, full.skus[1]!] }],
    ['no limit', { ...full, skus: [{ sku: 'a', stock: 10 }, full.skus[1]!] }],
    ['another order of SKUs', { ...full, skus: [...full.skus].reverse() }],
    ['a SKU more', { ...full, skus: [...full.skus, { sku: 'c', stock: 0 }] }],
  ])('with %s replaces it before it opens, and is refused from the millisecond it opens', (_, other) => {
    const catalogue = new Catalogue(1);
    put(catalogue, 's', full, nowMs - 2);
    expect(catalogue.plan('s', other, nowMs - 1)).toMatchObject({ kind: 'replace' });
    expect(catalogue.plan('s', other, nowMs)).toMatchObject({ ok: false, code: 'sale_open' });
    const sale = catalogue.get('s')!;
    sale.state = SaleState.paused;
    expect(catalogue.plan('s', other, nowMs - 1)).toMatchObject({ kind: 'replace' });
    expect(catalogue.plan('s', other, nowMs)).toMatchObject({ ok: false, code: 'sale_open' });
    sale.state = SaleState.ended;
    expect(catalogue.plan('s', other, nowMs - 1)).toMatchObject({ ok: false, code: 'sale_open' });
  });
});

describe('a definition is refused', () => {
  test.each<[string, object, string]>([
    ['without SKUs', { skus: [] }, '/skus'],
    ['with the same SKU twice', { skus: [definition.skus[0]!, definition.skus[0]!] }, '/skus/1/sku'],
    ['with a time that is no time', { ...definition, startsAt: 'tomorrow' }, '/startsAt'],
    ['with 30 February', { ...definition, startsAt: '2026-02-30T00:00:00Z' }, '/startsAt'],
    [
      'with a leap second, which clocks here do not have',
      { ...definition, startsAt: '2026-12-31T23:59:60Z' },
      '/startsAt',
    ],
    ['with a time without a zone', { ...definition, startsAt: '2026-11-11T00:00:00' }, '/startsAt'],
    ['with an end at its start', { ...definition, endsAt: later }, '/endsAt'],
    ['with an end before its start', { ...definition, endsAt: '2026-11-11T23:59:59.999Z' }, '/endsAt'],
    [
      'that would start now with an end in the past',
      { skus: definition.skus, endsAt: '2026-11-10T00:00:00Z' },
      '/endsAt',
    ],
    ['with more stock than fits', { skus: [{ sku: 'a', stock: limits.stockMax + 1 }] }, '/skus/0/stock'],
    [
      'with a limit of nothing',
      { skus: [{ sku: 'a', stock: 1, limitPerBuyer: 0 }] },
      '/skus/0/limitPerBuyer',
    ],
    ['with a SKU id with a space', { skus: [{ sku: 'a b', stock: 1 }] }, '/skus/0/sku'],
    ['with an unknown property', { ...definition, holdSecond: 1 }, '/holdSecond'],
    ['with 1,025 SKUs', { skus: skusOf(1_025, 'x') }, '/skus'],
  ])('%s', (_, given, path) => {
    const catalogue = new Catalogue(1);
    const plan = catalogue.plan('s', given as SaleDefinition, nowMs);
    expect(plan).toMatchObject({ ok: false, code: 'invalid_request' });
    const { errors = [] } = plan as { errors?: { path: string }[] };
    expect(errors.map((error) => error.path)).toContain(path);
    expect(catalogue.get('s')).toBeUndefined();
  });
});

describe('4,096 SKUs', () => {
  const full = (shards: number): Catalogue => {
    const catalogue = new Catalogue(shards);
    for (let i = 0; i < 4; i++) put(catalogue, `s-${i}`, { startsAt: later, skus: skusOf(1_024, `${i}`) });
    return catalogue;
  };

  test.each([1, 3, 128])('fit, and not one more, with %i shards', (shards) => {
    const catalogue = full(shards);
    expect(catalogue.plan('more', { skus: skusOf(1, 'x') }, nowMs)).toMatchObject({
      ok: false,
      code: 'overloaded',
    });
    const rows = new Set([...catalogue.sales()].flatMap((sale) => sale.skus.map((sku) => sku.row)));
    expect(rows.size).toBe(limits.skusMax);
  });

  test('leave room for a replacement that keeps its SKUs, and for those it gives up', () => {
    const catalogue = full(2);
    put(catalogue, 's-0', { startsAt: later, skus: skusOf(1_024, '0', () => 7) });
    put(catalogue, 's-0', { startsAt: later, skus: skusOf(1_000, '0') });
    put(catalogue, 'more', { skus: skusOf(24, 'x') });
    expect(catalogue.plan('again', { skus: skusOf(1, 'y') }, nowMs)).toMatchObject({ code: 'overloaded' });
  });

  test('are counted without the sales that are over, by their end or by the operator', () => {
    const catalogue = full(2);
    const endsAt = new Date(Date.parse(later) + 1).toISOString();
    put(catalogue, 's-0', { startsAt: later, endsAt, skus: skusOf(1_024, '0') });
    expect(catalogue.plan('more', { skus: skusOf(1, 'x') }, nowMs)).toMatchObject({ code: 'overloaded' });
    const over = Date.parse(endsAt);
    expect(catalogue.plan('more', { skus: skusOf(1_024, 'x') }, over)).toMatchObject({ kind: 'create' });
    catalogue.get('s-1')!.state = SaleState.ended;
    put(catalogue, 'more', { startsAt: later, skus: skusOf(1_024, 'x') });
    expect(catalogue.plan('again', { skus: skusOf(1, 'y') }, nowMs)).toMatchObject({ code: 'overloaded' });
  });
});

test.each([1, 3])(
  'sales that are over keep their rows, until the data folder is full: %i shards',
  (shards) => {
    const catalogue = new Catalogue(shards);
    const sizes = new Array<number>(limits.stockRowsMax / 1_024).fill(1_024);
    // A shard's share of the rows is its own, so with three of them the last rows are not for just any SKU.
    if (shards > 1) sizes[sizes.length - 1]! -= shards;
    for (const [i, size] of sizes.entries()) {
      put(catalogue, `s-${i}`, { skus: skusOf(size, `${i}`) }).sale.state = SaleState.ended;
    }
    const rows = new Set([...catalogue.sales()].flatMap((sale) => sale.skus.map(({ row }) => row)));
    expect(rows.size).toBe(shards === 1 ? limits.stockRowsMax : limits.stockRowsMax - shards);
    expect(catalogue.plan('more', { skus: skusOf(shards + 1, 'x') }, nowMs)).toMatchObject({
      code: 'overloaded',
      detail: expect.stringContaining('data folder'),
    });
  },
);

test('with declared stock all alike, shards differ by one SKU at most', () => {
  const { sale } = put(new Catalogue(7), 's', { skus: skusOf(100, 'x', () => 50) });
  const counts = new Array<number>(7).fill(0);
  for (const { shard } of sale.skus) counts[shard]! += 1;
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

test('a sale goes where the sales before it left room', () => {
  const catalogue = new Catalogue(2);
  const { sale: first } = put(catalogue, 'a', { skus: [{ sku: 'large', stock: 1_000 }] });
  const { sale: second } = put(catalogue, 'b', { skus: skusOf(3, 'x', () => 300) });
  expect(new Set(second.skus.map((sku) => sku.shard))).toEqual(new Set([1 - first.skus[0]!.shard]));
});

test('the load of a sale that has ended counts no more', () => {
  const catalogue = new Catalogue(2);
  const { sale: first } = put(catalogue, 'a', { skus: [{ sku: 'large', stock: 1_000 }] });
  first.state = SaleState.ended;
  const { sale: second } = put(catalogue, 'b', { skus: skusOf(2, 'x', () => 300) });
  expect(new Set(second.skus.map((sku) => sku.shard)).size).toBe(2);
});

describe(seeded('a catalogue'), () => {
  const saleIds = ['s-1', 's-2', 's-3', 's-4'];
  const skuIds = [...'abcdefghij'];
  const pairs = saleIds.flatMap((id) => skuIds.map((sku) => [id, sku] as const));
  const sku = fc.record({
    sku: fc.constantFrom(...skuIds),
    stock: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(limits.stockMax)),
    limitPerBuyer: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  });
  const skus = fc
    .uniqueArray(sku, { selector: (one) => one.sku, minLength: 1, maxLength: 10 })
    .map((list) =>
      list.map(({ limitPerBuyer, ...rest }) =>
        limitPerBuyer === undefined ? rest : { ...rest, limitPerBuyer },
      ),
    );
  const change = fc.record({
    id: fc.constantFrom(...saleIds),
    skus,
    opensInMs: fc.constantFrom(0, 10, 10_000),
    state: fc.constantFrom(undefined, undefined, undefined, SaleState.paused, SaleState.ended),
    waitMs: fc.nat(20),
    restart: fc.boolean(),
  });

  /** What must be true of a catalogue at all times. */
  function check(catalogue: Catalogue, shards: number): void {
    const rows = new Set<number>();
    const numbers = new Set<number>();
    const revisions = new Set<number>();
    for (const sale of catalogue.sales()) {
      numbers.add(sale.number);
      revisions.add(sale.revision);
      expect(sale.skus.map((one) => one.sku)).toEqual(sale.definition.skus.map((one) => one.sku));
      for (const one of sale.skus) {
        expect(one.row % shards).toBe(one.shard);
        expect(one.row).toBeLessThan(limits.skusMax);
        expect(one.sale).toBe(sale);
        expect(catalogue.skuInRow(one.row)).toBe(one);
        expect(sale.skuById.get(one.sku)).toBe(one);
        rows.add(one.row);
      }
    }
    // There and back: what is asked for first was asked for last before the change.
    for (const [id, sku] of [...pairs, ...pairs.toReversed()]) {
      expect(catalogue.sku(id, sku)).toBe(catalogue.get(id)?.skuById.get(sku));
    }
    const all = [...catalogue.sales()];
    expect(rows.size).toBe(all.reduce((sum, sale) => sum + sale.skus.length, 0));
    expect(numbers.size).toBe(all.length);
    expect(revisions.size).toBe(all.length);
  }

  test('gives every SKU one row of its own and one owner, keeps what a replacement keeps, and survives a restart', () => {
    const property = fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(change, { maxLength: 25 }),
      (shards, changes) => {
        let catalogue = new Catalogue(shards);
        let timeMs = nowMs;
        let lastNumber = 0;
        let lastRevision = 0;
        for (const { id, skus: list, opensInMs, state, waitMs, restart } of changes) {
          timeMs += waitMs;
          const before = catalogue.get(id);
          const opened =
            before !== undefined && (before.state === SaleState.ended || timeMs >= before.startsAtMs);
          const given = { startsAt: new Date(timeMs + opensInMs).toISOString(), skus: list };
          const plan = catalogue.plan(id, given, timeMs);
          if (opened) {
            expect(plan).toMatchObject({ ok: false, code: 'sale_open' });
          } else if (!('kind' in plan) || plan.kind !== 'unchanged') {
            const { sale, removed, kind } = planned(plan);
            expect(kind).toBe(before === undefined ? 'create' : 'replace');
            // Numbers name a sale for ever, revisions one version of it.
            if (before === undefined) expect(sale.number).toBe(++lastNumber);
            else expect(sale.number).toBe(before.number);
            expect(sale.revision).toBe(++lastRevision);
            const names = new Set(list.map((one) => one.sku));
            expect(removed.map((one) => one.sku)).toEqual(
              (before?.skus ?? []).map((one) => one.sku).filter((name) => !names.has(name)),
            );
            for (const old of before?.skus ?? []) {
              const kept = sale.skuById.get(old.sku);
              if (kept !== undefined) expect([kept.row, kept.shard]).toEqual([old.row, old.shard]);
            }
            catalogue.take(sale);
          }
          const sale = catalogue.get(id)!;
          if (state !== undefined) sale.state = state;
          check(catalogue, shards);
          if (restart) catalogue = reloaded(catalogue, shards);
        }
      },
    );
    fc.assert(property, runs(200));
  });

  /** Through records and JSON, as through the store. */
  function reloaded(catalogue: Catalogue, shards: number): Catalogue {
    const next = new Catalogue(shards);
    for (const sale of catalogue.sales()) {
      const record = JSON.parse(JSON.stringify(recordOf(sale)));
      const again: CatalogueSale = build(record);
      expect(recordOf(again)).toEqual(recordOf(sale));
      next.take(again);
    }
    check(next, shards);
    return next;
  }

  test('of one sale spreads it as largest-first does: no shard is further above another than one SKU', () => {
    const stocks = fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), stocks, (shards, list) => {
        const { sale } = put(new Catalogue(shards), 's', { skus: skusOf(list.length, 'x', (i) => list[i]!) });
        // A SKU weighs one unit more than its stock, so that SKUs without stock are spread as well.
        const weights = list.map((stock) => stock + 1).sort((a, b) => b - a);
        const loads = new Array<number>(shards).fill(0);
        for (const one of sale.skus) loads[one.shard]! += one.stock + 1;
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(weights[0]!);
        // Graham, 1969: within 4/3 of the best, so of any way to share them out. Here: to and fro.
        const toAndFro = new Array<number>(shards).fill(0);
        for (const [i, weight] of weights.entries()) {
          const at = i % (2 * shards);
          toAndFro[at < shards ? at : 2 * shards - 1 - at]! += weight;
        }
        expect(Math.max(...loads)).toBeLessThanOrEqual((4 / 3) * Math.max(...toAndFro));
      }),
      runs(200),
    );
  });
});
