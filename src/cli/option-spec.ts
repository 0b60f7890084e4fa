/**
 * One option as people meet it: a flag, an environment variable, a line of help. Everything is derived from
 * the option's JSON Schema, so an option declared there appears on the command line by itself.
 */
import { Option } from 'commander';
import type { XSchema } from 'typebox/schema';
import { assert, unreachable } from '../assert.js';
import { compile } from '../validation.js';

type Kind = 'string' | 'integer' | 'number' | 'boolean';

export interface OptionSpec {
  /** The schema's property, e.g. `dataDir`. */
  readonly name: string;
  /** e.g. `--data-dir`. */
  readonly flag: string;
  /** e.g. `LEINIAO_DATA_DIR`. */
  readonly env: string;
  readonly kind: Kind;
  readonly choices: readonly string[] | undefined;
  readonly default: unknown;
  readonly description: string;
  readonly schema: XSchema;
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, XSchema>>;
}

interface Annotations {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
}

export const envPrefix = 'LEINIAO_';

// Not before a capital that stands in a unit, as in MiB.
const words = (name: string): string[] =>
  name
    .split(/(?=[A-Z][a-z])/)
    .filter(Boolean)
    .map((word) => word.toLowerCase());

function kindOf(name: string, annotations: Annotations): Kind {
  if (annotations.enum !== undefined) return 'string';
  const { type } = annotations;
  assert(
    type === 'string' || type === 'integer' || type === 'number' || type === 'boolean',
    `option ${name} has a type the command line can spell`,
  );
  return type;
}

/** The options the schemas declare, in order. No two schemas may declare the same name. */
export function optionSpecs(...schemas: readonly ObjectSchema[]): readonly OptionSpec[] {
  const specs = new Map<string, OptionSpec>();
  for (const { properties } of schemas) {
    for (const [name, schema] of Object.entries(properties)) {
      assert(!specs.has(name), `option ${name} is declared once`);
      const annotations = schema as Annotations;
      specs.set(name, {
        name,
        flag: `--${words(name).join('-')}`,
        env: `${envPrefix}${words(name).join('_').toUpperCase()}`,
        kind: kindOf(name, annotations),
        choices: annotations.enum,
        default: annotations.default,
        description: annotations.description ?? '',
        schema,
      });
    }
  }
  return [...specs.values()];
}

function helpOf(spec: OptionSpec, withEnv: boolean): string {
  const notes: string[] = [];
  if (spec.choices !== undefined) notes.push(`one of ${spec.choices.join(', ')}`);
  if (spec.default !== undefined) notes.push(`default: ${String(spec.default)}`);
  if (withEnv) notes.push(`env: ${spec.env}`);
  return notes.length === 0 ? spec.description : `${spec.description} (${notes.join('; ')})`;
}

/** Called what the schema calls it: commander would make its name of the flag, where a unit has lost its capitals. */
class NamedOption extends Option {
  readonly #name: string;

  constructor({ name }: OptionSpec, flags: string, help: string) {
    super(flags, help);
    this.#name = name;
  }

  override attributeName(): string {
    return this.#name;
  }
}

/**
 * The flags of one option for commander. They carry no default and no parser: a value commander reports was
 * typed by somebody, and is checked where all sources are checked.
 */
export function flagsOf(spec: OptionSpec, withEnv: boolean): Option[] {
  const help = helpOf(spec, withEnv);
  if (spec.kind !== 'boolean') return [new NamedOption(spec, `${spec.flag} <${spec.kind}>`, help)];
  const opposite = spec.flag.replace('--', '--no-');
  return [new NamedOption(spec, spec.flag, help), new NamedOption(spec, opposite, 'The opposite.')];
}

const integerText = /^(0|-?[1-9]\d*)$/;
const numberText = /^-?(\d+|\d*\.\d+)$/;

/**
 * The value a text stands for. Text that isn't strictly of the option's kind stays text, and then fails the
 * schema with the schema's own words.
 */
export function parseText(spec: OptionSpec, text: string): unknown {
  switch (spec.kind) {
    case 'string':
      return text;
    case 'integer':
      return integerText.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
    case 'number':
      return numberText.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    default:
      return unreachable(spec.kind);
  }
}

/** What is wrong with a value, or nothing. */
export function issueOf(spec: OptionSpec, value: unknown): string | undefined {
  if (spec.choices !== undefined) {
    const known = typeof value === 'string' && spec.choices.includes(value);
    return known ? undefined : `must be one of ${spec.choices.join(', ')}`;
  }
  const [first] = compile(spec.schema).Errors(value);
  return first?.message;
}
