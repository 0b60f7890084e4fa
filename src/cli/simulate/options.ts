/** The options of `leiniao simulate`. Flags only: a simulation says on its command line what it was. */
import { randomInt } from 'node:crypto';
import type { Static } from 'typebox';
import { limits } from '../../config.js';
import { LeiniaoError } from '../../errors.js';
import { EngineOptionsSchema } from '../../options.js';
import { optionSpecs } from '../option-spec.js';
import { readFlags } from '../options.js';

const rate = (value: number, description: string) =>
  ({ type: 'number', minimum: 0, maximum: 1, default: value, description }) as const;

const WorkloadSchema = {
  type: 'object',
  properties: {
    buyers: {
      type: 'integer',
      minimum: 1,
      maximum: 2_000_000,
      default: 1_000,
      description: 'Buyers in the storm.',
    },
    stock: {
      type: 'integer',
      minimum: 0,
      maximum: limits.stockMax,
      default: 100,
      description: 'Units of each SKU.',
    },
    skus: {
      type: 'integer',
      minimum: 1,
      maximum: limits.skusPerSaleMax,
      default: 1,
      description: 'SKUs in the sale; each buyer wants one of them.',
    },
    quantity: {
      type: 'integer',
      minimum: 1,
      maximum: limits.quantityMax,
      default: 1,
      description: 'Most units in one order: each asks for 1 to this many.',
    },
    limit: {
      type: 'integer',
      minimum: 0,
      maximum: limits.limitPerBuyerMax,
      description: 'Purchase limit per buyer and SKU; 0 for none. Without it: the same as --quantity.',
    },
    greedyRate: rate(0.05, 'Share of buyers who order a second time, under another key.'),
    retryRate: rate(0.1, 'Share of buyers who click again with the same key, at once or after the answer.'),
    confirmRate: rate(0.5, 'Share of buyers who confirm their order.'),
    cancelRate: rate(0, 'Share of buyers who cancel their order.'),
    holdSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: limits.holdSecondsMax,
      default: limits.holdSecondsDefault,
      description: 'How long an order is held; 0 sells outright.',
    },
    connections: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      default: 256,
      description: 'Keep-alive connections, each with one request at a time.',
    },
    seed: {
      type: 'integer',
      minimum: 0,
      maximum: 2 ** 32 - 1,
      description: 'Makes the workload reproducible. Without it a fresh one is drawn and printed.',
    },
  },
} as const;

const { durability, shards } = EngineOptionsSchema.properties;

const workloadSpecs = optionSpecs(WorkloadSchema);
const ownServerSpecs = optionSpecs({ properties: { durability, shards } }).map((spec) => ({
  ...spec,
  description: `${spec.description} Not with a URL.`,
}));

export const simulateOptionSpecs = [...workloadSpecs, ...ownServerSpecs];

export type WorkloadOptions = Required<Static<typeof WorkloadSchema>>;

export interface SimulateOptions {
  readonly workload: WorkloadOptions;
  /** A server that is running already; undefined: start one. */
  readonly url: string | undefined;
  /** Flags for the server to start, as text. */
  readonly ownServerFlags: readonly string[];
  readonly json: boolean;
}

interface SimulateFlags {
  readonly json?: boolean;
  readonly [name: string]: unknown;
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '';
  if (isOrigin && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new LeiniaoError('invalid_options', `URL: ${text} is not like http://127.0.0.1:7070`);
}

const defaultsOf = (specs: typeof workloadSpecs): object =>
  Object.fromEntries(specs.map((spec) => [spec.name, spec.default]));

/** Throws `invalid_options`. */
export function resolveSimulateOptions(url: string | undefined, flags: SimulateFlags): SimulateOptions {
  const given = readFlags(workloadSpecs, flags);
  const drawn = { seed: randomInt(2 ** 32) };
  const filled = { ...defaultsOf(workloadSpecs), ...drawn, ...given } as WorkloadOptions;
  const workload = { ...filled, limit: filled.limit ?? filled.quantity };
  if (workload.confirmRate + workload.cancelRate > 1) {
    throw new LeiniaoError('invalid_options', '--confirm-rate and --cancel-rate: must not exceed 1 together');
  }
  const server = Object.entries(readFlags(ownServerSpecs, flags));
  if (url !== undefined && server.length > 0) {
    throw new LeiniaoError(
      'invalid_options',
      `--${server[0]![0]}: only without URL, for a server of its own`,
    );
  }
  return {
    workload,
    url: url === undefined ? undefined : originOf(url),
    ownServerFlags: server.flatMap(([name, value]) => [`--${name}`, String(value)]),
    json: flags.json ?? false,
  };
}
