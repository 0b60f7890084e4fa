/** What the auditor makes of folders: those it cannot audit, those that lack a part, and the tail. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs, {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import timers from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { audit } from '../../dist/audit/audit.js';
import { CannotAudit } from '../../dist/audit/cannot-audit.js';
import { tailReadingsMax } from '../../dist/audit/contract.js';
import { readTail } from '../../dist/audit/tail.js';
import { limits } from '../../dist/config.js';
import { Journal } from '../../dist/store/journal.js';
import { openEnvironment, tableOptions } from '../../dist/store/lmdb.js';
import { storeId } from '../support/commits.js';
import { ForgedJournal, opensMs, writeFolder, writeJournal } from '../support/forged-folder.js';
import { startsOf, tailOf } from '../support/tails.js';
import { tempDir } from '../support/temp-dir.js';

/** The auditor looks again, after a pause, at a database that looks damaged: what happens in each pause. */
const pauses = { happens: (): void => undefined, count: 0 };

beforeEach(() => {
  pauses.happens = () => undefined;
  pauses.count = 0;
  vi.spyOn(timers, 'setTimeout').mockImplementation(async () => {
    pauses.count += 1;
    pauses.happens();
    return undefined as never;
  });
  syncBuiltinESMExports();
});

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

describe('there is nothing to audit', () => {
  const description = { format: 3, storeId, shards: 1, complete: true };

  test.each<[string, RegExp, (path: string) => void]>([
    ['where there is no folder', /there is no /, (path) => rmSync(path, { recursive: true })],
    ['in an empty folder', /not a leiniao data folder: it has no leiniao\.json/, () => undefined],
    ['in one of a later format', /data format 4/, (path) => write(path, { ...description, format: 4 })],
    [
      'in one whose description is no JSON',
      /is not JSON/,
      (path) => writeFileSync(join(path, 'leiniao.json'), '{'),
    ],
    ['in one without a store id', /is damaged/, (path) => write(path, { ...description, storeId: 7 })],
    ['in one of no shards', /is damaged/, (path) => write(path, { ...description, shards: 0 })],
    ['in one that says null', /is damaged/, (path) => write(path, null)],
  ])('%s', async (_, message, prepare) => {
    const path = join(tempDir(), 'data');
    mkdirSync(path);
    prepare(path);
    const refusal = audit(path);
    await expect(refusal).rejects.toThrow(CannotAudit);
    await expect(refusal).rejects.toThrow(message);
  });

  test('in a file', async () => {
    const path = join(tempDir(), 'file');
    writeFileSync(path, '');
    await expect(audit(path)).rejects.toThrow('is not a folder');
  });
});

function write(path: string, description: unknown): void {
  writeFileSync(join(path, 'leiniao.json'), JSON.stringify(description));
}

/** Opens a shard's database for as long as `use` runs. At `magicAt` are the four bytes that say it is LMDB's. */
async function withDatabase(
  path: string,
  use: (file: number, magicAt: number) => Promise<void>,
): Promise<void> {
  const file = openSync(join(path, 'shard-000/data.mdb'), 'r+');
  try {
    await use(file, 24);
  } finally {
    closeSync(file);
  }
}

test('a database that changes all the time, and never looks whole, is too busy to be audited', async () => {
  const path = await folder();
  await withDatabase(path, async (file, magicAt) => {
    const spoil = () => writeSync(file, Buffer.of(pauses.count), 0, 1, magicAt);
    spoil();
    pauses.happens = spoil;
    const refusal = audit(path);
    await expect(refusal).rejects.toThrow(CannotAudit);
    await expect(refusal).rejects.toThrow(/is being written too fast to be checked; try again/);
  });
  expect(pauses.count).toBe(limits.snapshotChecksMax - 1);
});

test('a database that stays as it is, and does not look whole, is damaged at the second look', async () => {
  const path = await folder();
  await withDatabase(path, async (file, magicAt) => {
    writeSync(file, Buffer.alloc(4), 0, 4, magicAt);
    expect((await audit(path)).findings[0]!.text).toMatch(/is not a database, or its beginning is damaged$/);
  });
  expect(pauses.count).toBe(1);
});

test.each(['data.mdb', 'lock.mdb'])(
  'a shard whose %s is denied to the auditor is not audited',
  async (name) => {
    const path = await folder();
    chmodSync(path, 0o755);
    chmodSync(join(path, 'shard-000', name), name === 'lock.mdb' ? 0o444 : 0o000);
    // Nothing is denied to root: then the audit is somebody else's.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    const main = join(import.meta.dirname, '../../dist/cli/main.js');
    const ended = spawnSync(process.execPath, [main, 'audit', path], { encoding: 'utf8', ...nobody });
    expect(ended).toMatchObject({ status: 3, stdout: '' });
    expect(ended.stderr).toContain(`${name} has to be accessible`);
  },
);

test.each(['shard-000', 'catalogue'])('a %s that cannot be looked at is not audited', async (part) => {
  const path = await folder();
  const database = join(path, part, 'data.mdb');
  rmSync(database);
  symlinkSync(database, database);
  await expect(audit(path)).rejects.toThrow(CannotAudit);
});

test('a database that looked damaged for an instant is audited', async () => {
  const path = await folder();
  await withDatabase(path, async (file, magicAt) => {
    const magic = Buffer.alloc(4);
    readSync(file, magic, 0, 4, magicAt);
    writeSync(file, Buffer.alloc(4), 0, 4, magicAt);
    pauses.happens = () => writeSync(file, magic, 0, 4, magicAt);
    expect(await audit(path)).toMatchObject({ verdict: 'sound' });
  });
  // There is a pause after a look that failed, and after no other.
  expect(pauses.count).toBe(1);
});

async function folder(journal = new ForgedJournal().begin()): Promise<string> {
  const path = tempDir();
  await writeFolder(path, [journal]);
  return path;
}

describe('a part that is missing', () => {
  test.each(['shard-000', 'catalogue'])('is wrong: %s', async (part) => {
    const path = await folder();
    rmSync(join(path, part), { recursive: true });
    const { verdict, findings } = await audit(path);
    expect(verdict).toBe('wrong');
    expect(findings[0]!.text).toMatch(new RegExp(`${part}/data.mdb is missing or empty`));
  });

  test('is worth a note in a folder that was never finished', async () => {
    const path = tempDir();
    write(path, { format: 3, storeId, shards: 2, complete: false });
    const { verdict, notes } = await audit(path);
    expect(verdict).toBe('sound');
    expect(notes[0]).toMatch(/the folder is being made/);
    expect(notes).toHaveLength(4);
  });

  test('is wrong where it is damaged, finished or not', async () => {
    const path = await folder();
    write(path, { format: 3, storeId, shards: 1, complete: false });
    writeFileSync(join(path, 'shard-000/data.mdb'), 'no database'.repeat(1_000));
    const { verdict, findings } = await audit(path);
    expect(verdict).toBe('wrong');
    expect(findings[0]!.text).toMatch(/is not a database/);
    // What LMDB begins with may be anything as long as nothing was committed.
    writeFileSync(join(path, 'shard-000/data.mdb'), Buffer.alloc(8_192));
    const begun = await audit(path);
    expect(begun.findings.filter(({ text }) => text.includes('data.mdb'))).toEqual([]);
    expect(begun.notes).toContainEqual(expect.stringMatching(/is not a database/));
  });

  test('is named where it is a commit', async () => {
    const path = await folder();
    const journal = new ForgedJournal().begin();
    journal.commit(opensMs + 20_000, (entries) => entries.settle('confirmed', 0));
    rmSync(join(path, 'shard-000'), { recursive: true });
    const store = await Journal.open({
      path: join(path, 'shard-000'),
      storeId,
      shard: 0,
      visit: () => undefined,
    });
    store.append(1, journal.records.slice(0, 1));
    store.append(3, journal.records.slice(2));
    await store.close();
    expect((await audit(path)).findings[0]).toEqual({ shard: 0, commit: 2, text: 'it is missing' });
  });
});

/** A byte behind its hash, as records of the catalogue are. */
function sealed(byte: number): Buffer {
  const content = Buffer.of(byte);
  return Buffer.concat([createHash('sha256').update(storeId).update(content).digest(), content]);
}

test.each<[string, Buffer, RegExp]>([
  ['that was altered', Buffer.alloc(60), /the catalogue's record of sale s does not match its hash/],
  ['that cannot be read', sealed(0x93), /the catalogue's record of sale s cannot be read/],
  ['that is nothing', sealed(0xc0), /the catalogue's record of sale s is no sale/],
  ['that lacks what a sale has', sealed(0x80), /the catalogue's record of sale s is no sale/],
])('a record of the catalogue %s is wrong', async (_, bytes, text) => {
  const path = await folder();
  const environment = openEnvironment(join(path, 'catalogue'), 'sales');
  const sales = environment.openDB<Buffer, string>(tableOptions('sales'));
  sales.putSync('s', bytes);
  await environment.close();
  const { findings } = await audit(path);
  expect(findings).toHaveLength(1);
  expect(findings[0]!.text).toMatch(text);
});

describe('a tail', () => {
  /** Five commits, of which LMDB has two. */
  const five = () => {
    const journal = new ForgedJournal().begin();
    for (const number of [0, 1, 2]) {
      journal.commit(opensMs + 20_000, (entries) => entries.settle('confirmed', number));
    }
    return journal.records;
  };

  async function auditOf(tail: Buffer) {
    const path = await folder();
    writeFileSync(join(path, 'shard-000/tail.bin'), tail);
    return await audit(path);
  }

  test.each(['fsync', 'commit'] as const)('of durability %s goes on where LMDB ends', async (durability) => {
    const report = await auditOf(tailOf(five().slice(2), durability));
    expect(report).toMatchObject({ verdict: 'sound', notes: [] });
    expect(report.shards[0]).toMatchObject({ commits: 5, tailCommits: 3, orders: { held: 0, confirmed: 3 } });
  });

  test('may begin with what LMDB has', async () => {
    const report = await auditOf(tailOf(five()));
    expect(report.notes).toEqual([]);
    expect(report.shards[0]).toMatchObject({ commits: 5, tailCommits: 3 });
  });

  const cuts = [1, 50, 95, 96, 100].flatMap((length) => [
    [length, 'fsync'] as const,
    [length, 'commit'] as const,
  ]);
  test.each(cuts)('that is torn %i bytes into a record is worth a note (%s)', async (length, durability) => {
    const [, , third, fourth] = five();
    const tail = tailOf([third!, fourth!.subarray(0, length), Buffer.alloc(0)], durability);
    for (const torn of [tail, tail.subarray(0, startsOf([third!])[1]! + length)]) {
      const report = await auditOf(torn);
      expect(report.verdict).toBe('sound');
      expect(report.notes).toEqual([
        expect.stringMatching(/^shard 0: the tail ends after commit 3: what follows/),
      ]);
      expect(report.shards[0]).toMatchObject({ commits: 3, tailCommits: 1 });
    }
  });

  test('of durability commit whose records do not chain is worth a note', async () => {
    const [, , third, , fifth] = five();
    const report = await auditOf(tailOf([third!, fifth!]));
    expect(report.verdict).toBe('sound');
    expect(report.notes[0]).toMatch(/the tail ends after commit 3: what follows does not continue the chain/);
  });

  test.each(['missing', 'altered', 'zeros'])(
    'of durability fsync with a commit %s and a later one is wrong: that was acknowledged after it',
    async (how) => {
      const [, , third, fourth, fifth] = five();
      const altered = Buffer.from(fourth!);
      altered[100]! ^= 1;
      const others = { missing: [], altered: [altered], zeros: [Buffer.alloc(4_096)] }[how]!;
      const report = await auditOf(tailOf([third!, ...others, fifth!], 'fsync'));
      expect(report.verdict).toBe('wrong');
      expect(report.findings[0]).toMatchObject({
        ...{ shard: 0, commit: 4 },
        text: 'the tail cannot give it, and has later ones',
      });
    },
  );

  test.each([
    ['is empty', Buffer.alloc(0)],
    ['is too short', tailOf([]).subarray(0, 19)],
    ['has another format', tailOf(five()).fill(2, 8, 9)],
    ['has no durability', tailOf(five()).fill(7, 12, 13)],
    ['is zeros', tailOf(five()).fill(0, 0, 4_096)],
    ['is no tail', Buffer.alloc(8_192, 7)],
  ])('whose head %s may hide something', async (_, tail) => {
    const report = await auditOf(tail);
    expect(report.findings[0]).toMatchObject({
      ...{ shard: 0, commit: 3 },
      text: 'it may have been in tail.bin, which does not begin as a tail does',
    });
  });

  test('that is missing may have had something, but not in a folder that is being made', async () => {
    const path = await folder();
    rmSync(join(path, 'shard-000/tail.bin'));
    expect((await audit(path)).findings[0]).toMatchObject({
      ...{ shard: 0, commit: 3 },
      text: 'it may have been in tail.bin, which is missing',
    });
    rmSync(join(path, 'shard-000'), { recursive: true });
    await writeJournal(join(path, 'shard-000'), 0, []);
    write(path, { format: 3, storeId, shards: 1, complete: false });
    const { findings } = await audit(path);
    expect(findings.filter(({ text }) => text.includes('tail.bin'))).toEqual([]);
  });

  describe('that an engine writes to while it is read', () => {
    const [, , third, fourth, fifth] = five();
    const half = tailOf([third!, fourth!.subarray(0, 100)], 'fsync');

    /** Reads a tail whose content changes before every reading of it. */
    async function readWhile(contents: readonly Buffer[]) {
      const path = await folder();
      const file = join(path, 'shard-000/tail.bin');
      let readings = 0;
      writeFileSync(file, contents[0]!);
      vi.spyOn(fs, 'fstatSync').mockImplementation(() => {
        writeFileSync(file, contents[Math.min(readings++, contents.length - 1)]!);
        return { size: statSync(file).size } as ReturnType<typeof fs.fstatSync>;
      });
      syncBuiltinESMExports();
      const tail = readTail(file);
      return { records: tail.records.length, ends: tail.ends, readings };
    }

    test('is read again until its last record is whole', async () => {
      expect(await readWhile([half, half, tailOf([third!, fourth!], 'fsync')])).toEqual({
        ...{ records: 2, ends: true, readings: 3 },
      });
    });

    test('and is taken as it is where that does not change', async () => {
      expect(await readWhile([half])).toMatchObject({ readings: tailReadingsMax });
    });

    test('is read again where what came after its end is behind it', async () => {
      const late = tailOf([third!, Buffer.alloc(4_096), fifth!], 'fsync');
      const seen = await readWhile([late, tailOf([third!, fourth!, fifth!], 'fsync')]);
      expect(seen).toEqual({ records: 3, ends: true, readings: 2 });
    });

    test('is read again where it has begun again meanwhile, and not for ever', async () => {
      const path = await folder();
      const file = join(path, 'shard-000/tail.bin');
      const generations = [tailOf([third!, fourth!], 'fsync'), tailOf([fifth!], 'fsync')];
      let begun = 0;
      let until = 3;
      writeFileSync(file, generations[0]!);
      const readSync = fs.readSync;
      vi.spyOn(fs, 'readSync').mockImplementation(((
        ...args: [descriptor: number, bytes: Buffer, offset: number, length: number, at: number]
      ) => {
        const read = readSync(...args);
        // Between the reading of all and the look at the first record.
        if (args[4] === 0 && begun < until) writeFileSync(file, generations[++begun % 2]!);
        return read;
      }) as typeof fs.readSync);
      syncBuiltinESMExports();
      expect(readTail(file).records).toEqual([fifth]);
      expect(begun).toBe(3);
      until = Number.POSITIVE_INFINITY;
      expect(() => readTail(file)).toThrow(/is written over too fast to be read/);
    });
  });

  test('that an engine put aside is worth a note', async () => {
    const path = await folder();
    const aside = join(path, 'shard-000/tail.bin.torn-7');
    writeFileSync(aside, 'torn');
    const report = await audit(path);
    expect(report.verdict).toBe('sound');
    expect(report.notes[0]).toContain(`was put aside: ${aside}`);
  });

  test('with a wrong entry in the chain is wrong', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(opensMs + 20_000, (entries) => entries.settle('confirmed', 0).settle('cancelled', 0));
    const report = await auditOf(tailOf(journal.records.slice(2)));
    expect(report.findings[0]).toMatchObject({ shard: 0, commit: 3, entry: 2, type: 'cancelled' });
  });
});
