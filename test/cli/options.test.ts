/** Where the server's options come from, and how mistakes in each source are named. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { resolveServerOptions, serverOptionSpecs } from '../../dist/cli/options.js';
import { resolveSimulateOptions } from '../../dist/cli/simulate/options.js';
import { planWorkload } from '../../dist/cli/simulate/workload.js';
import {
  defaultsOf,
  EngineOptionsSchema,
  ListenOptionsSchema,
  resolveEngineOptions,
} from '../../dist/options.js';
import { newKeyPair } from '../support/key-pairs.js';

const folder = mkdtempSync(join(tmpdir(), 'leiniao-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

type Sources = Parameters<typeof resolveServerOptions>[0];

const resolve = (sources: Partial<Sources>) => resolveServerOptions({ flags: {}, env: {}, ...sources });

async function mistakeIn(sources: Partial<Sources>): Promise<string> {
  try {
    await resolve(sources);
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_options' });
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

describe('the server’s options', () => {
  test('are the defaults of the schemas when nobody says anything', async () => {
    const { engine, listen } = await resolve({});
    expect(resolveEngineOptions(engine)).toEqual(defaultsOf(EngineOptionsSchema));
    expect(listen).toEqual(defaultsOf(ListenOptionsSchema));
  });

  test('come from flags over the environment over the file', async () => {
    const configFile = file('a.yaml', 'port: 1\nshards: 1\ndurability: commit\n');
    const env = { LEINIAO_PORT: '2', LEINIAO_SHARDS: '2', UNRELATED: 'x' };
    const { engine, listen } = await resolve({ flags: { port: '3' }, env, configFile });
    expect({ port: listen.port, shards: engine.shards, durability: engine.durability }).toEqual({
      port: 3,
      shards: 2,
      durability: 'commit',
    });
  });

  test('come from a JSON file, which LEINIAO_CONFIG may name', async () => {
    const LEINIAO_CONFIG = file('b.json', '{"dataDir": "elsewhere"}');
    expect((await resolve({ env: { LEINIAO_CONFIG } })).engine.dataDir).toBe('elsewhere');
  });

  test('may come from an empty file', async () => {
    expect((await resolve({ configFile: file('empty.yaml', '# nothing\n') })).listen.port).toBe(7070);
  });

  test('each have a flag and a variable', () => {
    const names = serverOptionSpecs.map(({ name }) => name);
    const declared = { ...EngineOptionsSchema.properties, ...ListenOptionsSchema.properties };
    expect(names.sort()).toEqual(Object.keys(declared).sort());
    const dataDir = serverOptionSpecs.find(({ name }) => name === 'dataDir');
    expect(dataDir).toMatchObject({ flag: '--data-dir', env: 'LEINIAO_DATA_DIR' });
    const heap = serverOptionSpecs.find(({ name }) => name === 'shardHeapMiBMax');
    expect(heap).toMatchObject({ flag: '--shard-heap-mib-max', env: 'LEINIAO_SHARD_HEAP_MIB_MAX' });
  });
});

test('options of the engine that nobody gave stay open, for the data folder to decide', async () => {
  expect((await resolve({ flags: { durability: 'commit' } })).engine).toEqual({ durability: 'commit' });
});

test('the receipt key is a file, and stays out of what the engine is given and the log shows', async () => {
  const { engine, receiptKeyFile } = await resolve({ env: { LEINIAO_RECEIPT_KEY: 'a.pem' } });
  expect({ engine, receiptKeyFile }).toEqual({ engine: {}, receiptKeyFile: 'a.pem' });
  expect((await resolve({ configFile: file('r.yaml', 'receiptKey: b.pem\n') })).receiptKeyFile).toBe('b.pem');
  expect((await resolve({})).receiptKeyFile).toBeUndefined();
});

describe('a mistake is named by its source', () => {
  test.each(['', ' 7', '7.0', '0x7', '07', '1e3', 'x', '99999999999999999999'])(
    'LEINIAO_PORT=%j is no integer',
    async (LEINIAO_PORT) => {
      expect(await mistakeIn({ env: { LEINIAO_PORT } })).toBe('LEINIAO_PORT: must be integer');
    },
  );

  test('a flag out of range', async () => {
    expect(await mistakeIn({ flags: { shards: '0' } })).toBe('--shards: must be >= 1');
  });

  test('a value that is not among the choices', async () => {
    const message = await mistakeIn({ env: { LEINIAO_DURABILITY: 'disk' } });
    expect(message).toBe('LEINIAO_DURABILITY: must be one of fsync, commit, memory');
  });

  test('a path in the file, also where a flag would win', async () => {
    const configFile = file('c.yaml', 'shards: 0\n');
    expect(await mistakeIn({ configFile, flags: { shards: '1' } })).toBe(
      `${configFile}: /shards must be >= 1`,
    );
  });

  test('a number written as text in the file', async () => {
    const configFile = file('d.yaml', 'port: "7070"\n');
    expect(await mistakeIn({ configFile })).toBe(`${configFile}: /port must be integer`);
  });

  test('a misspelt key in the file', async () => {
    const configFile = file('e.yaml', 'shard: 1\n');
    const message = `${configFile}: /shard is not an option; did you mean shards?`;
    expect(await mistakeIn({ configFile })).toBe(message);
  });

  test('a misspelt variable', async () => {
    const message = 'LEINIAO_DATADIR: is not an option; did you mean LEINIAO_DATA_DIR?';
    expect(await mistakeIn({ env: { LEINIAO_DATADIR: 'x' } })).toBe(message);
  });

  test('all of them at once', async () => {
    const message = await mistakeIn({ env: { LEINIAO_PORT: 'x' }, flags: { shards: 'y' } });
    expect(message).toBe('LEINIAO_PORT: must be integer; --shards: must be integer');
  });

  test('a file that is missing, malformed or no mapping', async () => {
    expect(await mistakeIn({ configFile: join(folder, 'none.yaml') })).toContain('--config: cannot read');
    const env = { LEINIAO_CONFIG: join(folder, 'none.yaml') };
    expect(await mistakeIn({ env })).toContain('LEINIAO_CONFIG: cannot read');
    for (const [name, content] of Object.entries({
      'f.yaml': 'port: [1\n',
      'f.json': '{"port":',
      'g.yaml': '- port\n',
      'twice.yaml': 'port: 1\nport: 2\n',
    })) {
      const configFile = file(name, content);
      expect(await mistakeIn({ configFile })).toMatch(new RegExp(`^${configFile}: `));
    }
  });
});

describe('a simulation', () => {
  test('has the same workload for the same seed', () => {
    const flags = { seed: '7', quantity: '3', skus: '2', cancelRate: '.25' };
    const plan = () => planWorkload(resolveSimulateOptions(undefined, flags).workload);
    expect(plan()).toEqual(plan());
    expect(plan()).not.toEqual(
      planWorkload(resolveSimulateOptions(undefined, { ...flags, seed: '8' }).workload),
    );
  });

  test('limits buyers to what one of them asks for, unless told otherwise', () => {
    expect(resolveSimulateOptions(undefined, { quantity: '3' }).workload.limit).toBe(3);
    expect(resolveSimulateOptions(undefined, { quantity: '3', limit: '0' }).workload.limit).toBe(0);
  });

  test('refuses what cannot be meant', () => {
    expect(() => resolveSimulateOptions('ftp://x', {})).toThrow('URL:');
    expect(() => resolveSimulateOptions('http://x', { shards: '1' })).toThrow('--shards: only without URL');
    expect(() => resolveSimulateOptions(undefined, { retryRate: '2' })).toThrow('--retry-rate: must be <= 1');
  });
});

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function leiniao(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LEINIAO_'));
  const clean = { ...Object.fromEntries(inherited), ...env };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    env: clean,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

describe('the command line', { timeout: 30_000 }, () => {
  test('explains itself', () => {
    const help = leiniao(['--help']);
    expect(help.status).toBe(0);
    expect(help.stdout).toContain('Exit codes:');
    for (const args of [
      ['serve', '--help'],
      ['help', 'serve'],
    ]) {
      const { status, stdout } = leiniao(args);
      expect(status).toBe(0);
      for (const { flag, env } of serverOptionSpecs) {
        expect(stdout).toContain(flag);
        expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`env: ${env}`);
      }
    }
  });

  test('prints its version', () => {
    expect(leiniao(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test.each([
    [['sevre'], "unknown command 'sevre'"],
    [['help', 'sevre'], "unknown command 'sevre'"],
    [['serve', '--prot', '1'], "unknown option '--prot'"],
    [['serve', '--port', 'x'], 'leiniao: --port: must be integer'],
    [['serve', '--shard-heap-mib-max', 'x'], 'leiniao: --shard-heap-mib-max: must be integer'],
    [['simulate', 'nowhere'], 'leiniao: URL: nowhere'],
    [[], 'Usage:'],
  ])('refuses %j with exit code 2', (args, message) => {
    const { status, stdout, stderr } = leiniao(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('refuses a variable nobody knows', () => {
    const { status, stderr } = leiniao(['serve'], { LEINIAO_PROT: '1' });
    expect(status).toBe(2);
    expect(stderr).toBe(
      'leiniao: LEINIAO_PROT: is not an option; did you mean LEINIAO_PORT? (invalid_options)\n',
    );
  });

  test('says in one line that a server to storm cannot be reached', () => {
    const { status, stderr } = leiniao(['simulate', 'http://127.0.0.1:1', '--json']);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^leiniao: could not run: cannot reach http:\/\/127\.0\.0\.1:1: .*\n$/);
  });

  test('refuses a receipt key that is none, and prints nothing of what it was given', () => {
    const { privateKey, publicKey } = newKeyPair();
    const body = privateKey.split('\n')[1]!;
    for (const [given, message] of [
      [privateKey, 'must be the path of a PEM file, not the key itself'],
      [body, 'that file cannot be read: ENOENT'],
      [folder, 'that file cannot be read: EISDIR'],
      ['/dev/zero', 'too long'],
      [file('empty.pem', ''), 'empty'],
      [file('public.pem', publicKey), 'has no Ed25519 private key'],
      [file('cut.pem', privateKey.slice(0, 60)), 'has no Ed25519 private key'],
    ] as const) {
      const { status, stdout, stderr } = leiniao(['serve', '--data-dir', join(folder, 'never')], {
        LEINIAO_RECEIPT_KEY: given,
      });
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(/^leiniao: invalid options: \/receiptKey \(--receipt-key, LEINIAO_RECEIPT_KEY/);
      expect(stderr).toContain(message);
      expect(stderr).not.toContain(body);
      expect(stderr).not.toContain(body.slice(0, 20));
    }
    expect(existsSync(join(folder, 'never'))).toBe(false);
  });

  test('has a doctor who tries the receipt key that serve would be given', () => {
    const { status, stderr } = leiniao(['doctor', '--data-dir', folder], { LEINIAO_RECEIPT_KEY: 'none.pem' });
    expect(status).toBe(2);
    expect(stderr).toContain('LEINIAO_RECEIPT_KEY');
  });
});
