/** The walls between the parts of src/: who may import whom, and which package, API or clock lives where. Read from the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');

/** Every source file, by its path under src/ without the ending. */
const sources = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name.slice(0, -'.ts'.length), readFileSync(join(src, name), 'utf8')]),
);

/** What a source imports or exports again, types too. */
function namesIn(source: string): string[] {
  const patterns = [
    /^(?:import|export)\b[^;]*?\bfrom '([^']+)';/gm,
    /^import '([^']+)';/gm,
    /\bimport\(\s*'([^']+)'/g,
  ];
  return patterns.flatMap((pattern) => Array.from(source.matchAll(pattern), (match) => match[1]!));
}

interface Import {
  readonly from: string;
  /** A path under src/ without the ending, or a package. */
  readonly to: string;
  readonly ours: boolean;
}

const imports = [...sources].flatMap(([from, source]) =>
  namesIn(source).map((name): Import => {
    const ours = name.startsWith('.');
    return { from, to: ours ? resolve(from, name) : name, ours };
  }),
);

/** Files that a source starts a thread or a process from: walls count for them as well. */
const starts = [...sources].flatMap(([from, source]) =>
  Array.from(source.matchAll(/\bnew URL\(\s*'([^']+\.js)',\s*import\.meta\.url/g), (match): Import => {
    return { from, to: resolve(from, match[1]!), ours: true };
  }),
);

function resolve(from: string, name: string): string {
  return relative(src, join(src, dirname(from), name)).replace(/\.js$/, '');
}

const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');
const show = (list: readonly Import[]): string[] => list.map(({ from, to }) => `${from} → ${to}`);
const inside = imports.filter(({ ours }) => ours);
const outside = imports.filter(({ ours }) => !ours);

test('every import is seen, and leads to a file that exists', () => {
  const statements = [...sources.values()].flatMap((source) => source.match(/^import\b(?!\()/gm) ?? []);
  const seen = [...sources.values()].flatMap((source) =>
    Array.from(source.matchAll(/^import\b(?!\()[^;]*?'[^']+';/gm), ([statement]) => namesIn(statement)),
  );
  expect(seen).toHaveLength(statements.length);
  expect(seen.every((names) => names.length === 1)).toBe(true);
  expect(show([...inside, ...starts].filter(({ to }) => !sources.has(to)))).toEqual([]);
  expect(inside.length).toBeGreaterThan(200);
  expect(show(starts)).toContain('engine/shard-pool → shard/service');
});

/** By folder: what it may import besides itself. A folder with a slash at its end stands for all that is in it. */
const walls: Readonly<Record<string, readonly string[]>> = {
  // Time is an input there, and nothing is logged: neither clock nor log.
  sale: ['assert', 'config', 'errors', 'text', 'validation'],
  // What a record carries of the domain, and nothing more.
  memory: ['assert', 'config', 'text', 'sale/order-state', 'sale/outcome', 'sale/phase'],
  store: ['assert', 'config', 'errors', 'text', 'sale/'],
  // How LMDB is opened, and nothing that decides or stores.
  audit: ['assert', 'errors', 'store/lmdb-snapshot'],
  shard: ['assert', 'clock', 'config', 'errors', 'text', 'sale/', 'memory/', 'store/'],
  // What a buyer keeps: it is verified without an engine, and no shard knows of it.
  receipt: ['assert', 'config', 'errors', 'sale/order', 'sale/rules'],
  acceptor: [
    ...['assert', 'clock', 'config', 'errors', 'log', 'options', 'text', 'validation'],
    ...['sale/', 'memory/', 'receipt/'],
  ],
  engine: [
    ...['assert', 'clock', 'config', 'errors', 'log', 'options', 'validation'],
    ...['sale/', 'memory/', 'store/', 'shard/', 'receipt/', 'acceptor/'],
  ],
  cli: [
    ...['assert', 'config', 'errors', 'index', 'log', 'options', 'validation'],
    ...['receipt/', 'acceptor/uws/', 'audit/', 'sale/order-id', 'store/data-dir'],
  ],
};

const allows = (allowed: readonly string[], to: string): boolean =>
  allowed.some((name) => (name.endsWith('/') ? to.startsWith(name) : to === name));

test('every folder has its walls, and beside the folders are the files named here', () => {
  const folders = new Set([...sources.keys()].map(folderOf).filter((folder) => folder !== ''));
  expect([...folders].sort()).toEqual(Object.keys(walls).sort());
  const files = [...sources.keys()].filter((path) => folderOf(path) === '').sort();
  expect(files).toEqual([
    ...['assert', 'clock', 'config', 'errors', 'index', 'log', 'options', 'text', 'validation'],
  ]);
});

describe('imports point one way', () => {
  test.each(Object.entries(walls))('from %s/', (folder, allowed) => {
    const own = [...inside, ...starts].filter(({ from }) => folderOf(from) === folder);
    expect(own.length).toBeGreaterThan(0);
    const strangers = own.filter(({ to }) => folderOf(to) !== folder && !allows(allowed, to));
    expect(show(strangers)).toEqual([]);
  });

  test('from the files beside the folders: to each other only, but for index.ts', () => {
    const own = inside.filter(({ from }) => folderOf(from) === '' && from !== 'index');
    expect(show(own.filter(({ to }) => folderOf(to) !== ''))).toEqual([]);
  });

  test('to index.ts from the command line only, and to the command line from nowhere', () => {
    const wrong = inside.filter(
      ({ from, to }) =>
        (to === 'index' && folderOf(from) !== 'cli') || (folderOf(to) === 'cli' && folderOf(from) !== 'cli'),
    );
    expect(show(wrong)).toEqual([]);
  });

  test('and never in a circle', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (trail.includes(path) || done.has(path)) return;
      for (const { from, to } of inside) if (from === path) visit(to, [...trail, path]);
      done.add(path);
    };
    for (const path of sources.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });
});

test('the auditor shares no code with what decides and what writes the journal, not even by way of another file', () => {
  const reached = new Set([...sources.keys()].filter((path) => folderOf(path) === 'audit'));
  expect(reached).toContain('audit/shard-ledger');
  // A set goes on to what is added while it is walked through.
  for (const path of reached) for (const { from, to } of inside) if (from === path) reached.add(to);
  const others = [...reached].filter((path) => folderOf(path) !== 'audit');
  const allowed = ['assert', 'config', 'errors', 'validation'];
  expect(others.filter((path) => !allowed.includes(path)).sort()).toEqual([
    'store/lmdb',
    'store/lmdb-check',
    'store/lmdb-layout',
    'store/lmdb-pages',
    'store/lmdb-snapshot',
  ]);
  // What a limit is the auditor knows by itself.
  expect(show(inside.filter(({ from, to }) => folderOf(from) === 'audit' && to === 'config'))).toEqual([]);
});

test('a shard loads one package only: buyers wait for what a thread loads before it is open again', () => {
  const loads = (path: string): string[] =>
    namesIn(sources.get(path)!.replaceAll(/^(?:import|export) type\b[^;]*;/gm, '')).map((name) =>
      name.startsWith('.') ? resolve(path, name) : name,
    );
  const reached = new Set(['shard/service']);
  for (const path of reached) if (sources.has(path)) for (const to of loads(path)) reached.add(to);
  expect([...reached].filter((path) => !sources.has(path) && !path.startsWith('node:'))).toEqual(['lmdb']);
});

test('what judges the engine from outside shares no code with what decides', () => {
  const judges = inside.filter(({ from }) => from.startsWith('cli/simulate/'));
  expect(judges.length).toBeGreaterThan(0);
  const allowed = ['assert', 'config', 'errors', 'index', 'options', 'validation', 'cli/'];
  expect(show(judges.filter(({ to }) => !allows(allowed, to)))).toEqual([]);
});

describe('packages', () => {
  const homes: Readonly<Record<string, readonly string[]>> = {
    lmdb: ['store/'],
    'uWebSockets.js': ['acceptor/'],
    piscina: ['engine/'],
    typebox: ['validation', 'options', 'sale/', 'cli/'],
    pino: ['cli/'],
    undici: ['cli/'],
    commander: ['cli/'],
  };
  const packageOf = (name: string): string => name.split('/')[0]!;

  test.each(Object.entries(homes))('%s is imported where it belongs', (name, allowed) => {
    const users = outside.filter(({ to }) => packageOf(to) === name);
    expect(users.length).toBeGreaterThan(0);
    expect(show(users.filter(({ from }) => !allows(allowed, from)))).toEqual([]);
  });

  test('of TypeBox only the compiler and the formats are loaded: the rest takes longer than all of ours', () => {
    const loaded = [...sources].flatMap(([from, source]) =>
      namesIn(source.replace(/^import type\b[^;]*;/gm, ''))
        .filter((name) => packageOf(name) === 'typebox')
        .map((name) => `${from} → ${name}`),
    );
    expect(loaded.sort()).toEqual(['sale/rules → typebox/format', 'validation → typebox/schema']);
  });

  test('are dependencies of ours, each one', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const foreign = outside.filter(
      ({ to }) => !to.startsWith('node:') && dependencies[packageOf(to)] === undefined,
    );
    expect(show(foreign)).toEqual([]);
  });

  test('and modules of Node have no place in the domain or in shared memory', () => {
    const users = outside.filter(
      ({ from, to }) => ['sale', 'memory'].includes(folderOf(from)) && to.startsWith('node:'),
    );
    expect(show(users)).toEqual([]);
  });
});

describe('in the code itself, comments aside,', () => {
  const code = new Map(
    Array.from(sources, ([path, source]) => [path, source.replaceAll(/\/\*.*?\*\/|^\s*\/\/.*$/gms, '')]),
  );
  const users = (word: RegExp): string[] =>
    [...code].filter(([, text]) => word.test(text)).map(([path]) => path);

  test('Atomics is in memory/ only', () => {
    const all = users(/\bAtomics\b/);
    expect(all).toContain('memory/ring');
    expect(all.filter((path) => folderOf(path) !== 'memory')).toEqual([]);
  });

  test('nothing that decides, stores or shares reads a clock or throws dice', () => {
    const all = users(/\b(?:Date\.now|performance\.now|process\.hrtime|Math\.random)\b|\bnew Date\(\)/);
    expect(all).toContain('clock');
    expect(all.filter((path) => ['sale', 'memory', 'store', 'shard'].includes(folderOf(path)))).toEqual([]);
  });
});
