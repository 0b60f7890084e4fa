/** Every option with its default, and how options are checked. Read where an engine is started; no shard needs it. */
import type { Static } from 'typebox';
import { durabilities, limits, shardsDefault } from './config.js';
import { LeiniaoError } from './errors.js';
import { compile, describeIssues, issuesOf, type Validator } from './validation.js';

export const EngineOptionsSchema = {
  type: 'object',
  required: [
    'dataDir',
    'durability',
    'shards',
    'inFlightMax',
    'ordersPerShardMax',
    'replyDeadlineMs',
    'flushDelayMs',
    'shardHeapMiBMax',
  ],
  properties: {
    dataDir: {
      type: 'string',
      minLength: 1,
      default: './leiniao-data',
      description: 'Folder of the store; made if missing. Not used with durability "memory".',
    },
    durability: {
      enum: durabilities,
      default: 'fsync',
      description: 'When an order is acknowledged: on disk, handed to the operating system, or decided.',
    },
    shards: {
      type: 'integer',
      minimum: 1,
      maximum: limits.shardsMax,
      default: shardsDefault,
      description: 'Threads that own SKUs. An existing data folder keeps the number it was made with.',
    },
    inFlightMax: {
      type: 'integer',
      minimum: limits.inFlightMin,
      maximum: 65_536,
      default: 8_192,
      description: 'Requests admitted and not yet answered, per acceptor; beyond it: overloaded.',
    },
    ordersPerShardMax: {
      type: 'integer',
      minimum: 1_024,
      maximum: limits.ordersPerShardMax,
      default: 1 << 23,
      description: 'Orders one shard can hold, of any status; beyond it: overloaded.',
    },
    replyDeadlineMs: {
      type: 'integer',
      minimum: 10,
      maximum: 60_000,
      default: 5_000,
      description: 'How long a buyer waits for a shard before the answer is timeout.',
    },
    flushDelayMs: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000,
      default: 10,
      description: 'With durability "commit": the longest an acknowledged order waits for the disk.',
    },
    receiptKey: {
      type: 'string',
      minLength: 1,
      maxLength: limits.keyPemCharsMax,
      description: 'Ed25519 private key (PEM text, PKCS#8) that signs a receipt for every order.',
    },
    shardHeapMiBMax: {
      type: 'integer',
      minimum: 16,
      maximum: 65_536,
      default: 1_024,
      description:
        'JavaScript heap of one shard; beyond it the shard is started again. Its tables are not in it.',
    },
  },
  additionalProperties: false,
} as const;

export type EngineConfig = Static<typeof EngineOptionsSchema>;

/** What `Engine.start` takes: every option has a default. */
export type EngineOptions = Partial<EngineConfig>;

export const ListenOptionsSchema = {
  type: 'object',
  required: ['host', 'port', 'shutdownDeadlineMs'],
  properties: {
    host: {
      type: 'string',
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on; `leiniao serve` takes loopback addresses only.',
    },
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 7070,
      description: 'Port to listen on; 0 takes a free one.',
    },
    shutdownDeadlineMs: {
      type: 'integer',
      minimum: 0,
      maximum: 600_000,
      default: 10_000,
      description: 'How long a shutdown waits for what is in flight.',
    },
  },
  additionalProperties: false,
} as const;

export type ListenConfig = Static<typeof ListenOptionsSchema>;

/** What `engine.listen` takes: every option has a default. */
export type ListenOptions = Partial<ListenConfig>;

interface Schema {
  readonly properties: Readonly<Record<string, object>>;
}

/** The defaults a schema declares, by property. An option without one is off until it is given. */
export function defaultsOf(schema: Schema): Record<string, unknown> {
  const defaults: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = (property as { default?: unknown }).default;
    if (value !== undefined) defaults[name] = value;
  }
  return defaults;
}

const engineOptions = compile(EngineOptionsSchema);
const listenOptions = compile(ListenOptionsSchema);

function resolve<T>(schema: Schema, validator: Validator<T>, given: object): T {
  const defined = Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined));
  const merged: unknown = { ...defaultsOf(schema), ...defined };
  if (validator.Check(merged)) return merged;
  const issues = issuesOf(validator, merged);
  throw new LeiniaoError('invalid_options', `invalid options: ${describeIssues(issues)}`, { issues });
}

/** Engine options with defaults filled in. Throws `invalid_options`, naming each wrong path. */
export function resolveEngineOptions(given: EngineOptions): EngineConfig {
  return resolve(EngineOptionsSchema, engineOptions, given);
}

/** Listen options with defaults filled in. Throws `invalid_options`, naming each wrong path. */
export function resolveListenOptions(given: ListenOptions): ListenConfig {
  return resolve(ListenOptionsSchema, listenOptions, given);
}
