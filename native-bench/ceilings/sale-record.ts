/** Ceiling of storing a sale's definition: a record as the catalogue keeps it, as MessagePack and as JSON. */
import { isDeepStrictEqual } from 'node:util';
import { Packr } from 'msgpackr';
import type { SaleRecord } from '#dist/sale/catalogue.js';
import { SaleState } from '#dist/sale/phase.js';
import type { BenchRun } from '../harness/bench.js';
import { repeatFor, timeCalls } from './timing.js';

const skus = 20;
/** Per call: a timer would be a part of a single one. */
const recordsAtOnce = 256;

const record: SaleRecord = {
  id: 'singles-day-2026',
  number: 12,
  revision: 34,
  definition: {
    name: 'Singles’ Day 2026',
    startsAt: '2026-11-11T00:00:00Z',
    endsAt: '2026-11-12T00:00:00Z',
    holdSeconds: 300,
    skus: Array.from({ length: skus }, (_, i) => ({
      ...{ sku: `phone-${i}-256gb-black`, stock: 1_000 + i, limitPerBuyer: 2 },
    })),
  },
  startsAtMs: Date.UTC(2026, 10, 11),
  endsAtMs: Date.UTC(2026, 10, 12),
  state: SaleState.running,
  places: Array.from({ length: skus }, (_, i) => [i + 100, i % 4]),
};

interface Format {
  readonly name: string;
  readonly encode: (record: SaleRecord) => Buffer;
  readonly decode: (bytes: Buffer) => unknown;
}

/** With the option that the catalogue's store uses: plain maps. */
const packr = new Packr({ useRecords: false });
const formats: readonly Format[] = [
  { name: 'msgpackr', encode: (value) => packr.pack(value), decode: (bytes) => packr.unpack(bytes) },
  {
    name: 'JSON',
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(bytes.toString()),
  },
];

/** What the last call made, so that it counts as used. */
let made: unknown;

function nsPerRecord(run: BenchRun, work: () => unknown): number {
  const { meanMs } = timeCalls(repeatFor(run.profile), () => {
    for (let i = 0; i < recordsAtOnce; i++) made = work();
  });
  return (meanMs / recordsAtOnce) * 1e6;
}

function requireRecord(decoded: unknown): void {
  if (!isDeepStrictEqual(decoded, record)) throw new Error('a sale record is not what it was');
}

export async function measureSaleRecord(run: BenchRun): Promise<void> {
  const common = { unit: 'ns', better: 'lower', ratios: [{ of: 'msgpackr', to: 'JSON' }] } as const;
  await run.contest({
    ...{ ...common, name: `encode a sale of ${skus} SKUs` },
    contenders: formats.map(({ name, encode, decode }) => ({
      name,
      measure: () => {
        const ns = nsPerRecord(run, () => encode(record));
        requireRecord(decode(made as Buffer));
        return ns;
      },
    })),
  });
  await run.contest({
    ...{ ...common, name: `decode a sale of ${skus} SKUs` },
    contenders: formats.map(({ name, encode, decode }) => ({
      name,
      measure: () => {
        const bytes = encode(record);
        const ns = nsPerRecord(run, () => decode(bytes));
        requireRecord(made);
        return ns;
      },
    })),
  });
  const sizes = formats.map(({ name, encode }) => `${encode(record).length} bytes as ${name}`);
  run.note(`A sale of ${skus} SKUs takes ${sizes.join(', ')}.`);
}
