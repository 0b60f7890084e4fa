/**
 * Where the server's options come from: flags over `LEINIAO_*` variables over a config file over defaults.
 * Each source is checked by itself, so an error names the source to mend, also where another would win.
 */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { LeiniaoError, type ValidationIssue } from '../errors.js';
import {
  type EngineOptions,
  EngineOptionsSchema,
  type ListenConfig,
  type ListenOptions,
  ListenOptionsSchema,
  resolveEngineOptions,
  resolveListenOptions,
} from '../options.js';
import { didYouMean } from './nearest.js';
import { envPrefix, issueOf, type OptionSpec, optionSpecs, parseText } from './option-spec.js';

/** The engine's options as the server takes them: a key comes in a file, because others can read a command line. */
const engineProperties = {
  ...EngineOptionsSchema.properties,
  receiptKey: {
    type: 'string',
    minLength: 1,
    description: 'PEM file of an Ed25519 private key (PKCS#8) that signs a receipt for every order.',
  },
};

export const serverOptionSpecs = optionSpecs({ properties: engineProperties }, ListenOptionsSchema);

const configFileEnv = `${envPrefix}CONFIG`;

export interface OptionSources {
  /** As commander reports them: by property name, as text or boolean. Names that are no option are left alone. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The value of `--config`. */
  readonly configFile?: string | undefined;
}

export interface ServerOptions {
  /** What somebody gave. Defaults are left to the engine: an existing data folder has a say in some of them. */
  readonly engine: Omit<EngineOptions, 'receiptKey'>;
  readonly listen: ListenConfig;
  /** Where the key that signs receipts is. */
  readonly receiptKeyFile: string | undefined;
}

/** Values by option, and what is wrong with the source they came from. */
interface Layer {
  readonly values: Map<OptionSpec, unknown>;
  readonly issues: ValidationIssue[];
}

function check(layer: Layer, spec: OptionSpec, value: unknown, place: string): void {
  const problem = issueOf(spec, value);
  if (problem === undefined) layer.values.set(spec, value);
  else layer.issues.push({ path: `/${spec.name}`, message: `${place} ${problem}` });
}

/** The options typed as flags. Commander has already refused flags nobody knows. */
function fromFlags(specs: readonly OptionSpec[], flags: OptionSources['flags']): Layer {
  const layer: Layer = { values: new Map(), issues: [] };
  for (const spec of specs) {
    const given = flags[spec.name];
    if (given === undefined) continue;
    check(layer, spec, typeof given === 'string' ? parseText(spec, given) : given, `${spec.flag}:`);
  }
  return layer;
}

function fromEnv(env: OptionSources['env']): Layer {
  const layer: Layer = { values: new Map(), issues: [] };
  const byEnv = new Map(serverOptionSpecs.map((spec) => [spec.env, spec]));
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(envPrefix) || name === configFileEnv || text === undefined) continue;
    const spec = byEnv.get(name);
    if (spec !== undefined) check(layer, spec, parseText(spec, text), `${name}:`);
    else {
      const hint = didYouMean(name, [...byEnv.keys(), configFileEnv]);
      layer.issues.push({ path: '', message: `${name}: is not an option${hint}` });
    }
  }
  return layer;
}

async function readConfigFile(file: string, namedBy: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LeiniaoError('invalid_options', `${namedBy}: cannot read ${file}: ${reason}`, { cause: error });
  }
  try {
    if (extname(file) === '.json') return JSON.parse(text);
    // Loaded here because most starts have no config file.
    const { parse } = await import('yaml');
    return parse(text, { logLevel: 'error' });
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
    // YAML's ends with a colon, because a picture of the place would follow.
    throw new LeiniaoError('invalid_options', `${file}: ${reason.replace(/:$/, '')}`, { cause: error });
  }
}

function fromConfigFile(file: string, content: unknown): Layer {
  const layer: Layer = { values: new Map(), issues: [] };
  // An empty YAML file is no content, not a mistake.
  if (content === null || content === undefined) return layer;
  if (typeof content !== 'object' || Array.isArray(content)) {
    layer.issues.push({ path: '', message: `${file}: must be a mapping of option names to values` });
    return layer;
  }
  const byName = new Map(serverOptionSpecs.map((spec) => [spec.name, spec]));
  for (const [name, value] of Object.entries(content)) {
    const spec = byName.get(name);
    if (spec !== undefined) check(layer, spec, value, `${file}: /${name}`);
    else {
      const message = `${file}: /${name} is not an option${didYouMean(name, byName.keys())}`;
      layer.issues.push({ path: `/${name}`, message });
    }
  }
  return layer;
}

/** Throws `invalid_options` with every issue in one line, if there is any. */
export function refuseIssues(issues: readonly ValidationIssue[]): void {
  if (issues.length === 0) return;
  throw new LeiniaoError('invalid_options', issues.map((issue) => issue.message).join('; '), { issues });
}

/** Flags alone, checked, as an object of the given values. Throws `invalid_options`. */
export function readFlags(specs: readonly OptionSpec[], flags: OptionSources['flags']): object {
  const { values, issues } = fromFlags(specs, flags);
  refuseIssues(issues);
  return Object.fromEntries([...values].map(([spec, value]) => [spec.name, value]));
}

/**
 * The server's options from all sources.
 * Throws `invalid_options`, naming the source and the place of each mistake.
 */
export async function resolveServerOptions(sources: OptionSources): Promise<ServerOptions> {
  const file = sources.configFile ?? sources.env[configFileEnv];
  const namedBy = sources.configFile === undefined ? configFileEnv : '--config';
  const layers = [fromEnv(sources.env), fromFlags(serverOptionSpecs, sources.flags)];
  if (file !== undefined) layers.unshift(fromConfigFile(file, await readConfigFile(file, namedBy)));
  refuseIssues(layers.flatMap((layer) => layer.issues));

  // Each value passed its schema above; that is what makes these of their types.
  const given: EngineOptions & Record<string, unknown> = {};
  const listen: ListenOptions & Record<string, unknown> = {};
  for (const { values } of layers) {
    for (const [spec, value] of values) {
      (spec.name in engineProperties ? given : listen)[spec.name] = value;
    }
  }
  const { receiptKey: receiptKeyFile, ...engine } = given;
  // Checked as a whole as well: the schemas may relate options to each other.
  resolveEngineOptions(engine);
  return { engine, listen: resolveListenOptions(listen), receiptKeyFile };
}
