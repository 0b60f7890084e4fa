/** What an engine does not start on, and that it leaves such a folder as it was. */

import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Engine, LeiniaoError } from '../../dist/index.js';
import { TailFile } from '../../dist/store/tail.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';
import { until } from '../support/until.js';
import { counters, order, orderOf, small, start, startWithSale } from './embedded.js';

/** Every file of a folder with its content, and every folder. */
function contents(path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()) {
    const at = join(path, name);
    found[name] = statSync(at).isDirectory() ? 'folder' : readFileSync(at).toString('base64');
  }
  return found;
}

/** Changes a byte of every such text in the files of such names. Returns how many there were. */
function spoil(path: string, files: RegExp, text: string): number {
  let spoilt = 0;
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    if (!files.test(name)) continue;
    const bytes = readFileSync(join(path, name));
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
      bytes[at]! ^= 0x20;
      spoilt += 1;
    }
    writeFileSync(join(path, name), bytes);
  }
  return spoilt;
}

describe('an engine does not start', () => {
  async function failureOf(options: object): Promise<LeiniaoError> {
    const started = Engine.start({ shards: 1, ...small, ...options });
    // If it starts after all, it must not outlive the test.
    onTestFinished(() => started.then((engine) => engine.close()).catch(() => undefined));
    const error = await started.then(
      () => 'it started',
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(LeiniaoError);
    return error as LeiniaoError;
  }

  const model = makeTempDir();
  beforeAll(async () => {
    const engine = await Engine.start({ dataDir: model, shards: 2, ...small });
    await engine.putSale('s', { skus: ['a', 'b'].map((one) => ({ sku: one, stock: 10 })) });
    for (const one of ['a', 'b']) orderOf(await engine.placeOrder(order('u', { sku: one })));
    await engine.close();
  });
  afterAll(() => removeTempDir(model));

  /** A folder with two shards and orders in it. */
  function usedFolder(): string {
    const dataDir = tempDir();
    cpSync(model, dataDir, { recursive: true });
    return dataDir;
  }

  test.each([
    ['an unknown option', { colour: 'red' }, '/colour'],
    ['no shards', { shards: 0 }, '/shards'],
    ['half a shard', { shards: 1.5 }, '/shards'],
    ['129 shards', { shards: 129 }, '/shards'],
    ['an unknown durability', { durability: 'fsnyc' }, '/durability'],
    ['fewer than 256 in flight', { inFlightMax: 255 }, '/inFlightMax'],
    ['a text for a number', { replyDeadlineMs: '50' }, '/replyDeadlineMs'],
    ['an empty folder name', { dataDir: '' }, '/dataDir'],
    ['a number as folder', { dataDir: 5 }, '/dataDir'],
  ])('with %s: invalid_options, and the error says where', async (_, options, path) => {
    const error = await failureOf({ durability: 'memory', ...options });
    expect(error).toMatchObject({ code: 'invalid_options', name: 'LeiniaoError' });
    expect(error.issues.map((issue) => issue.path)).toContain(path);
  });

  test('in a folder that another engine has, which is not disturbed', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' });
    for (const path of [dataDir, `${dataDir}/`, join(dataDir, '..', dataDir.split('/').at(-1)!)]) {
      expect(await failureOf({ dataDir: path })).toMatchObject({ code: 'data_dir_locked' });
    }
    orderOf(await engine.placeOrder(order('u')));
    await engine.close();
    const next = await start({ dataDir, durability: 'fsync' });
    expect(counters(next).held).toBe(1);
  });

  test('where a file is in the way', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, 'mine');
    expect(await failureOf({ dataDir: file })).toMatchObject({ code: 'data_dir_unwritable' });
    expect(await failureOf({ dataDir: join(file, 'data') })).toMatchObject({ code: 'data_dir_unwritable' });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('in a folder of somebody else, and leaves it as it was', async () => {
    const dataDir = tempDir();
    writeFileSync(join(dataDir, 'thesis.txt'), 'two years of work');
    const before = contents(dataDir);
    const error = await failureOf({ dataDir });
    expect(error.code).toBe('data_dir_damaged');
    expect(error.message).toContain('thesis.txt');
    expect(contents(dataDir)).toEqual(before);
  });

  test('in a folder of another version, and leaves it as it was', async () => {
    const dataDir = usedFolder();
    const meta = join(dataDir, 'leiniao.json');
    writeFileSync(meta, JSON.stringify({ ...JSON.parse(readFileSync(meta, 'utf8')), format: 999 }));
    const before = contents(dataDir);
    const error = await failureOf({ dataDir, shards: 2 });
    expect(error.code).toBe('data_dir_version');
    expect(error.message).toContain('999');
    expect(contents(dataDir)).toEqual(before);
  });

  test('with another number of shards than the folder has, and leaves it as it was', async () => {
    const dataDir = usedFolder();
    const before = contents(dataDir);
    const error = await failureOf({ dataDir, shards: 3 });
    expect(error).toMatchObject({ code: 'invalid_options' });
    expect(error.issues).toEqual([{ path: '/shards', message: expect.stringContaining('2') }]);
    expect(contents(dataDir)).toEqual(before);
    const engine = await start({ dataDir, durability: 'fsync', shards: 2 });
    expect(counters(engine).held).toBe(1);
  });

  test.each([
    ['a description that is no JSON', 'leiniao.json', (file: string) => writeFileSync(file, '{')],
    ['an empty description', 'leiniao.json', (file: string) => truncateSync(file, 0)],
    ['no description', 'leiniao.json', (file: string) => rmSync(file)],
    ['a catalogue cut short', 'catalogue/data.mdb', (file: string) => truncateSync(file, 9_000)],
    ['a journal cut short', 'shard-001/data.mdb', (file: string) => truncateSync(file, 9_000)],
    [
      'a journal that is something else',
      'shard-000/data.mdb',
      (file: string) => writeFileSync(file, 'x'.repeat(1 << 16)),
    ],
    ['no catalogue', 'catalogue', (file: string) => rmSync(file, { recursive: true })],
    ['no folder for a shard', 'shard-001', (file: string) => rmSync(file, { recursive: true })],
    ['no journal for a shard', 'shard-000/data.mdb', (file: string) => rmSync(file)],
  ])('in a folder with %s', async (_, name, damage) => {
    const dataDir = usedFolder();
    damage(join(dataDir, name));
    expect(await failureOf({ dataDir, shards: 2 })).toMatchObject({ code: 'data_dir_damaged' });
  });

  test('in a damaged folder, and opens it once it is mended: the lock was given back', async () => {
    const dataDir = usedFolder();
    truncateSync(join(dataDir, 'shard-001', 'data.mdb'), 9_000);
    expect(await failureOf({ dataDir, shards: 2 })).toMatchObject({ code: 'data_dir_damaged' });
    cpSync(model, dataDir, { recursive: true, force: true });
    const engine = await start({ dataDir, durability: 'fsync', shards: 2 });
    expect(counters(engine).held).toBe(1);
  });

  test('in a journal of which a byte has changed', async () => {
    const dataDir = usedFolder();
    const file = join(dataDir, 'shard-000', 'data.mdb');
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf('u\0\0\0');
    expect(at).toBeGreaterThan(0);
    bytes[at] = 'v'.charCodeAt(0);
    writeFileSync(file, bytes);
    const error = await failureOf({ dataDir, shards: 2 });
    expect(error.code).toBe('data_dir_damaged');
    expect(error.message).toMatch(/shard-000.*commit \d+/);
  });

  const lastBuyer = 'buyer-2999';
  /** Damage that only whoever reads all of the records finds. */
  const late = {
    'the journal of a shard': ['shard-00[01]', lastBuyer],
    'the catalogue': ['catalogue', 'holdSeconds'],
  } as const;

  test.each(
    (['fsync', 'commit'] as const).flatMap((durability) =>
      (Object.keys(late) as (keyof typeof late)[]).map((where) => [where, durability] as const),
    ),
  )(
    'in a folder where damage to %s shows late, and writes nothing that is due to the rest of it, durability %s',
    async (where, durability) => {
      const running = tempDir();
      const options = { dataDir: running, shards: 2, durability, flushDelayMs: 1_000 };
      const first = await start(options);
      const skus = ['a', 'b'].map((one) => ({ sku: one, stock: 10_000 }));
      await first.putSale('s', { holdSeconds: 1, skus });
      // The shard with the damage takes longer to read than the other one.
      const buyers = Array.from({ length: 3_000 }, (_, i) => `buyer-${i}`);
      expect(buyers.at(-1)).toBe(lastBuyer);
      for (const outcome of await first.placeOrders(buyers.map((buyer) => order(buyer)))) orderOf(outcome);
      await first.close();
      const second = await start(options);
      const due = orderOf(await second.placeOrder(order('u', { sku: 'b' })));
      if (durability === 'fsync') await second.close();
      const dataDir = join(tempDir(), 'copy');
      // With the other durability as a crash leaves it: what is new is in the tails.
      cpSync(running, dataDir, { recursive: true });
      const [folders, text] = late[where];
      expect(spoil(dataDir, new RegExp(`^${folders}/data.mdb$`), text)).toBeGreaterThan(0);
      await until('the holds to be due', () => Date.now() > due.expiresAtMs!);
      const before = contents(dataDir);
      expect(await failureOf({ dataDir, shards: 2, durability })).toMatchObject({ code: 'data_dir_damaged' });
      const after = contents(dataDir);
      const kept = Object.keys(before).filter((name) => !name.endsWith('lock.mdb'));
      expect(kept.filter((name) => after[name] !== before[name])).toEqual([]);
    },
  );

  /** A folder as a crash leaves it, with orders in its tails, and its catalogue as it was before the last sale was put. */
  async function crashed(): Promise<{ dataDir: string; catalogueBefore: string }> {
    const running = tempDir();
    const options = { dataDir: running, shards: 2, durability: 'commit' as const };
    const first = await start(options);
    await first.putSale('s', { skus: ['a', 'b'].map((one) => ({ sku: one, stock: 10 })) });
    await first.close();
    const catalogueBefore = join(tempDir(), 'catalogue');
    cpSync(join(running, 'catalogue'), catalogueBefore, { recursive: true });
    const second = await start({ ...options, flushDelayMs: 1_000 });
    await second.putSale('t', { skus: ['a', 'b'].map((one) => ({ sku: one, stock: 10 })) });
    for (const one of ['a', 'b']) orderOf(await second.placeOrder(order('u', { sale: 't', sku: one })));
    const dataDir = join(tempDir(), 'copy');
    cpSync(running, dataDir, { recursive: true });
    for (const shard of ['shard-000', 'shard-001'])
      expect(TailFile.read(join(dataDir, shard, 'tail.bin'))!.records.length).toBeGreaterThan(0);
    return { dataDir, catalogueBefore };
  }

  test.each([
    [
      'a catalogue of an earlier moment',
      (catalogue: string, before: string) => cpSync(before, catalogue, { recursive: true, force: true }),
    ],
    [
      'the catalogue of another store',
      (catalogue: string) => cpSync(join(model, 'catalogue'), catalogue, { recursive: true, force: true }),
    ],
    [
      'another number of shards in its description',
      (catalogue: string) => {
        const meta = join(catalogue, '..', 'leiniao.json');
        writeFileSync(meta, JSON.stringify({ ...JSON.parse(readFileSync(meta, 'utf8')), shards: 1 }));
      },
    ],
  ])('in a folder with %s, and leaves its tails where they are', async (_, change) => {
    const { dataDir, catalogueBefore } = await crashed();
    change(join(dataDir, 'catalogue'), catalogueBefore);
    const before = contents(dataDir);
    expect(await failureOf({ dataDir, shards: undefined, durability: 'commit' })).toMatchObject({
      code: 'data_dir_damaged',
    });
    const after = contents(dataDir);
    const kept = Object.keys(before).filter((name) => !name.endsWith('lock.mdb'));
    expect(kept.filter((name) => after[name] !== before[name])).toEqual([]);
  });

  test('with less room for orders than the store holds, and says so', async () => {
    const dataDir = tempDir();
    const engine = await startWithSale({ dataDir, durability: 'fsync' }, 2_000);
    expect((await engine.placeOrders(Array.from({ length: 1_100 }, () => order('u')))).accepted).toBe(1_100);
    await engine.close();
    const error = await failureOf({ dataDir, ordersPerShardMax: 1_024 });
    expect(error).toMatchObject({ code: 'invalid_options' });
    expect(error.message).toContain('ordersPerShardMax');
    const again = await start({ dataDir, durability: 'fsync' });
    expect(counters(again).held).toBe(1_100);
  });
});
