/** The data folder: made, found again, locked against a second engine, and never touched when it is not ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CatalogueStore } from '../../dist/store/catalogue-store.js';
import { DataDir } from '../../dist/store/data-dir.js';
import { Journal } from '../../dist/store/journal.js';
import { TailFile } from '../../dist/store/tail.js';
import { tempDir } from '../support/temp-dir.js';
import { within } from '../support/until.js';

const meta = 'leiniao.json';
const storeId = '00112233445566778899aabbccddeeff';
/** A description in which nothing is wrong. */
const whole = { format: 3, storeId, shards: 2, complete: false };

const open = (path: string, shards?: number) => DataDir.open({ path, shards, shardsDefault: 3 });

/** The code with which a folder is refused. */
async function refusal(path: string): Promise<string> {
  try {
    await (await open(path)).close();
    return 'opened';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** What is in a folder, to the byte and the millisecond. */
function snapshot(path: string): object[] {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return [path, ...files].map((file) => {
    const { mtimeMs, mode, size, ino } = statSync(file);
    const content = statSync(file).isFile() ? readFileSync(file, 'base64') : undefined;
    return { name: relative(path, file), mtimeMs, mode, size, ino, content };
  });
}

/** A process that holds a folder, or what kept it from doing so. */
async function holder(path: string, platform?: string): Promise<{ child: ChildProcess; said: object }> {
  const script = join(import.meta.dirname, '../support/hold-data-dir.mjs');
  const args = platform === undefined ? [script, path] : [script, path, platform];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => kill(child));
  const [chunk] = (await within('the other process says something', once(child.stdout!, 'data'), 20_000)) as [
    Buffer,
  ];
  return { child, said: JSON.parse(chunk.toString()) as object };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

describe('a folder that is missing or empty', () => {
  test('is made into a data folder with an id of its own', async () => {
    const path = join(tempDir(), 'deep', 'data');
    const dataDir = await open(path);
    expect(dataDir.shards).toBe(3);
    expect(dataDir.storeId).toMatch(/^[0-9a-f]{32}$/);
    expect(dataDir.path).toBe(path);
    expect(dataDir.shardPath(7)).toBe(join(path, 'shard-007'));
    expect(readdirSync(path)).toEqual([meta]);
    await dataDir.close();
    const other = await open(join(tempDir(), 'data'));
    expect(other.storeId).not.toBe(dataDir.storeId);
    await other.close();
  });

  test('takes the number of shards asked for', async () => {
    const dataDir = await open(tempDir(), 5);
    expect(dataDir.shards).toBe(5);
    await dataDir.close();
  });

  test('may be the root of a file system of its own', async () => {
    const path = tempDir();
    mkdirSync(join(path, 'lost+found'));
    await (await open(path)).close();
  });

  test.each([
    ['a description half written', `${meta}.new`, '{ "format'],
    ['a probe', '.probe-4711', 'x'.repeat(5_000)],
  ])('may hold %s of a first start that was killed', async (_, name, content) => {
    const path = tempDir();
    writeFileSync(join(path, name), content);
    await (await open(path)).close();
  });
});

describe('a data folder', () => {
  test('keeps its id and its number of shards, whatever the default', async () => {
    const path = tempDir();
    const { storeId: made } = await open(path).then(async (dataDir) => {
      await dataDir.close();
      return dataDir;
    });
    for (const shards of [undefined, 3]) {
      const dataDir = await DataDir.open({ path, shards, shardsDefault: 9 });
      expect([dataDir.storeId, dataDir.shards]).toEqual([made, 3]);
      await dataDir.close();
    }
  });

  test('refuses another number of shards, naming the option, and stays as it was', async () => {
    const path = tempDir();
    await (await open(path)).close();
    const before = readFileSync(join(path, meta));
    await expect(open(path, 4)).rejects.toMatchObject({
      code: 'invalid_options',
      issues: [{ path: '/shards' }],
    });
    expect(readdirSync(path)).toEqual([meta]);
    expect(readFileSync(join(path, meta)).equals(before)).toBe(true);
    await (await open(path, 3)).close();
  });
});

test.each([4_096, 8_192])(
  'a data folder that was never finished starts on databases of which only %i bytes were begun',
  async (bytes) => {
    const { path, cataloguePath, storeId, ...dataDir } = await open(tempDir(), 2).then(async (made) => {
      await made.close();
      return {
        path: made.path,
        cataloguePath: made.cataloguePath,
        storeId: made.storeId,
        shard: made.shardPath(1),
      };
    });
    // As a power cut may leave them: LMDB has its first pages taken to disk with its first transaction.
    for (const part of [cataloguePath, dataDir.shard]) {
      mkdirSync(part, { recursive: true });
      writeFileSync(join(part, 'data.mdb'), Buffer.alloc(bytes));
    }
    const again = await open(path);
    await new CatalogueStore(cataloguePath, storeId).close();
    await (await Journal.open({ path: dataDir.shard, storeId, shard: 1, visit: () => undefined })).close();
    await again.close();
    // What has been committed to stays.
    const committed = readFileSync(join(dataDir.shard, 'data.mdb'));
    expect(committed.length).toBeGreaterThan(8_192);
    await (await open(path)).close();
    expect(readFileSync(join(dataDir.shard, 'data.mdb')).equals(committed)).toBe(true);
  },
);

describe('a data folder that has been complete', () => {
  /** With its catalogue and both of its shards. */
  async function completeFolder(): Promise<DataDir> {
    const dataDir = await open(tempDir(), 2);
    await new CatalogueStore(dataDir.cataloguePath, dataDir.storeId).close();
    for (const shard of [0, 1]) {
      const path = dataDir.shardPath(shard);
      const options = { path, storeId: dataDir.storeId, shard, visit: () => undefined };
      await (await Journal.open(options)).close();
      TailFile.create(join(path, 'tail.bin'), 'fsync').close();
    }
    dataDir.markComplete();
    await dataDir.close();
    return dataDir;
  }

  test('opens as often as it is whole', async () => {
    const { path, storeId: made } = await completeFolder();
    for (let i = 0; i < 2; i++) {
      const dataDir = await open(path);
      expect([dataDir.storeId, dataDir.shards]).toEqual([made, 2]);
      dataDir.markComplete();
      await dataDir.close();
    }
  });

  test('is refused without the tail of any shard: what it may have had would be sold again', async () => {
    for (const part of ['shard-000', 'shard-001']) {
      const { path } = await completeFolder();
      rmSync(join(path, part, 'tail.bin'));
      await expect(open(path)).rejects.toMatchObject({
        code: 'data_dir_damaged',
        message: expect.stringContaining(join(part, 'tail.bin')),
      });
    }
  });

  // An empty journal in its place would sell everything again.
  test.each<[string, (file: string) => void]>([
    ['without the database', rmSync],
    ['without the folder', (file) => rmSync(dirname(file), { recursive: true })],
    ['with nothing in the database', (file) => truncateSync(file, 0)],
  ])('is refused %s of any part', async (_, lose) => {
    for (const part of ['catalogue', 'shard-000', 'shard-001']) {
      const { path } = await completeFolder();
      lose(join(path, part, 'data.mdb'));
      // But for the folder itself: whether it can be written is tried by writing.
      const before = snapshot(path).slice(1);
      const refused = open(path).then(async (dataDir) => dataDir.close());
      await expect(refused).rejects.toMatchObject({ code: 'data_dir_damaged' });
      await expect(refused).rejects.toThrow(part);
      expect(snapshot(path).slice(1)).toEqual(before);
    }
  });

  test('before that, is taken as a first start that was killed: parts that lack are made', async () => {
    const dataDir = await open(tempDir(), 2);
    await new CatalogueStore(dataDir.cataloguePath, dataDir.storeId).close();
    await dataDir.close();
    await (await open(dataDir.path)).close();
  });
});

describe('a folder is refused and left untouched', () => {
  const damaged = 'data_dir_damaged';
  test.each<[string, string, string, string]>([
    ['with files of somebody else', 'photo.jpg', 'not ours', damaged],
    ['with an empty description', meta, '', damaged],
    ['with a description that is no JSON', meta, '{ "format": 1,', damaged],
    ['with a description that is null', meta, 'null', damaged],
    ['with a list for a description', meta, '[]', damaged],
    ['with a description without a format', meta, JSON.stringify({ ...whole, format: undefined }), damaged],
    ['without a store id', meta, JSON.stringify({ ...whole, storeId: undefined }), damaged],
    ['with a store id that is none', meta, JSON.stringify({ ...whole, storeId: 'x' }), damaged],
    ['without a number of shards', meta, JSON.stringify({ ...whole, shards: undefined }), damaged],
    ['with half a shard', meta, JSON.stringify({ format: 3, storeId, shards: 1.5 }), damaged],
    ['with no shards', meta, JSON.stringify({ format: 3, storeId, shards: 0 }), damaged],
    [
      'with more shards than there can be',
      meta,
      JSON.stringify({ format: 3, storeId, shards: 129 }),
      damaged,
    ],
    ['of a later version', meta, JSON.stringify({ format: 4, whatever: true }), 'data_dir_version'],
    ['of no version', meta, JSON.stringify({ ...whole, format: 0 }), 'data_dir_version'],
  ])('%s', async (_, name, content, code) => {
    const path = tempDir();
    writeFileSync(join(path, name), content);
    const before = snapshot(path);
    expect(await refusal(path)).toBe(code);
    expect(snapshot(path)).toEqual(before);
    // And it is not locked either.
    expect(await refusal(path)).toBe(code);
  });

  test('and with nothing wrong in its description it would have been opened', async () => {
    const path = tempDir();
    writeFileSync(join(path, meta), JSON.stringify(whole));
    expect(await refusal(path)).toBe('opened');
  });

  test('that is a file', async () => {
    const path = join(tempDir(), 'file');
    writeFileSync(path, 'x');
    await expect(open(path)).rejects.toMatchObject({ code: 'data_dir_unwritable' });
    await expect(open(join(path, 'below'))).rejects.toMatchObject({ code: 'data_dir_unwritable' });
    expect(readFileSync(path, 'utf8')).toBe('x');
  });
});

describe('the lock', () => {
  test('keeps a second opening of the same folder out, by whatever name, until the first is closed', async () => {
    const path = tempDir();
    const alias = join(tempDir(), 'alias');
    symlinkSync(path, alias);
    const dataDir = await open(path);
    for (const name of [path, `${path}/.`, alias]) {
      await expect(open(name)).rejects.toMatchObject({ code: 'data_dir_locked' });
    }
    await dataDir.close();
    await (await open(alias)).close();
  });

  test('of one folder is not that of another', async () => {
    const first = await open(tempDir());
    await (await open(tempDir())).close();
    await first.close();
  });

  test('of another process is respected, and falls with it at kill -9', async () => {
    const path = tempDir();
    const { child, said } = await holder(path);
    expect(said).toMatchObject({ shards: 2 });
    const before = snapshot(path);
    await expect(open(path)).rejects.toMatchObject({ code: 'data_dir_locked' });
    expect(snapshot(path)).toEqual(before);
    await kill(child);
    const dataDir = await open(path);
    expect(dataDir).toMatchObject(said);
    expect((await holder(path)).said).toMatchObject({ code: 'data_dir_locked' });
    await dataDir.close();
  });

  test('on a system without abstract sockets is a socket in the folder, and stands no less and no longer', async () => {
    const path = tempDir();
    const first = await holder(path, 'darwin');
    expect(first.said).toMatchObject({ shards: 2 });
    expect((await holder(path, 'darwin')).said).toMatchObject({ code: 'data_dir_locked' });
    await kill(first.child);
    const again = await holder(path, 'darwin');
    expect(again.said).toEqual(first.said);
    await kill(again.child);
    rmSync(path, { recursive: true });
  });
});
