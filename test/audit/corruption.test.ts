/**
 * Damage to the files of a data folder that an engine wrote. LMDB maps its file, so damage may end a process: every audit
 * of a damaged folder runs in one of its own, which must come to its end.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../dist/audit/wrong.js';
import { Engine } from '../../dist/index.js';
import { Journal } from '../../dist/store/journal.js';
import { seeded, wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';
import { sellOneEvening } from '../support/sold-out-evening.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';

const script = join(import.meta.dirname, '../support/audit-folders.mjs');
const shards = 3;
const flips = 300;

interface Result {
  readonly path: string;
  readonly verdict: 'sound' | 'wrong' | 'refused';
  readonly finding?: Finding;
  readonly exported: string;
}

/** Audits the folders in one new process. */
function auditAll(paths: readonly string[]): Result[] {
  const input = paths.join('\n');
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    input,
  });
  const results = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
  const next = paths[results.length];
  expect({ signal, status, stderr, next }).toEqual({ signal: null, status: 0, stderr: '', next: undefined });
  return results;
}

let home: string;
let whole: string;
const dataOf = (path: string, shard: number) => join(path, `shard-00${shard}`, 'data.mdb');

beforeAll(async () => {
  home = makeTempDir();
  whole = join(home, 'whole');
  const engine = await Engine.start({ dataDir: whole, durability: 'fsync', shards });
  await sellOneEvening(engine);
  await engine.close();
});

afterAll(() => removeTempDir(home));

/** Copies the folder and changes bytes of one shard's database. */
function damaged(path: string, shard: number, change: (bytes: Buffer) => void): string {
  cpSync(whole, path, { recursive: true });
  const bytes = readFileSync(dataOf(whole, shard));
  change(bytes);
  writeFileSync(dataOf(path, shard), bytes);
  return path;
}

/** Every place in the file where `record` stands: LMDB leaves old copies of small ones behind. */
function placesOf(record: Buffer, bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(record); at !== -1; at = bytes.indexOf(record, at + 1)) places.push(at);
  return places;
}

test(seeded(`${flips} damaged bytes of commit records are found, and the commit is named`), async () => {
  const storeId = (JSON.parse(readFileSync(join(whole, 'leiniao.json'), 'utf8')) as { storeId: string })
    .storeId;
  const records: { shard: number; number: number; record: Buffer }[] = [];
  const copy = join(tempDir(), 'copy');
  cpSync(whole, copy, { recursive: true });
  for (let shard = 0; shard < shards; shard++) {
    const path = join(copy, `shard-00${shard}`);
    const journal = await Journal.open({
      ...{ path, storeId, shard },
      visit: ({ number, words }) => records.push({ shard, number, record: Buffer.from(words.buffer) }),
    });
    await journal.close();
  }
  const random = wholeNumbersFrom(seed);
  const folder = tempDir();
  const damages = Array.from({ length: flips }, (_, i) => {
    const { shard, number, record } = records[random(records.length)]!;
    const offset = random(record.length);
    const path = damaged(join(folder, `${i}`), shard, (bytes) => {
      const places = placesOf(record, bytes);
      expect(places.length).toBeGreaterThan(0);
      const bit = 1 << random(8);
      for (const at of places) bytes[at + offset]! ^= bit;
    });
    return { path, shard, number, offset };
  });
  const results = auditAll([whole, ...damages.map(({ path }) => path)]);
  expect(results.shift()).toMatchObject({ verdict: 'sound' });
  for (const [i, { verdict, finding, exported }] of results.entries()) {
    const { shard, number, offset } = damages[i]!;
    const found = { verdict, shard: finding?.shard, commit: finding?.commit, exported };
    expect({ ...found, offset }).toEqual({
      ...{ verdict: 'wrong', shard, commit: number, exported: 'ended early' },
      offset,
    });
  }
});

test(seeded(`${flips} damaged bytes anywhere in a database are found, or change nothing`), () => {
  const random = wholeNumbersFrom(seed + 1);
  const folder = tempDir();
  const paths = Array.from({ length: flips }, (_, i) => {
    const shard = random(shards);
    return damaged(join(folder, `${i}`), shard, (bytes) => {
      // Every other time where a page says what it is: there a byte can lead LMDB astray.
      const at = i % 2 === 0 ? random(bytes.length) : random(bytes.length / 4096) * 4096 + random(64);
      bytes[at]! ^= 1 << random(8);
    });
  });
  const [intact, ...results] = auditAll([whole, ...paths]);
  const missed = results.filter(
    ({ verdict, exported }) => verdict === 'sound' && exported !== intact!.exported,
  );
  expect(missed).toEqual([]);
  // Most of a small file is free pages and old copies; still some of the damage must have met what is in use.
  expect(results.some(({ verdict }) => verdict !== 'sound')).toBe(true);
});

test(seeded('a database cut short, or with a spoilt page, is found or exports the same'), () => {
  const random = wholeNumbersFrom(seed + 2);
  const folder = tempDir();
  const paths = Array.from({ length: 60 }, (_, i) => {
    const shard = random(shards);
    return damaged(join(folder, `${i}`), shard, (bytes) => {
      const page = random(bytes.length / 4096);
      bytes.fill(i % 2 === 0 ? 0 : 0xff, page * 4096, (page + 1) * 4096);
    });
  });
  const [intact, ...results] = auditAll([whole, ...paths]);
  const missed = results.filter(
    ({ verdict, exported }) => verdict === 'sound' && exported !== intact!.exported,
  );
  expect(missed).toEqual([]);
});
