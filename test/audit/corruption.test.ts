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
import { effort } from '../support/effort.js';
import { bytesInUse } from '../support/journals.js';
import { seeded, wholeNumbersFrom } from '../support/random.js';
import { seed } from '../support/seed.js';
import { sellOneEvening } from '../support/sold-out-evening.js';
import { makeTempDir, removeTempDir, tempDir } from '../support/temp-dir.js';

const script = join(import.meta.dirname, '../support/audit-folders.mjs');
const shards = 3;
const flips = effort(60, 300);

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

/** Copies the folder and changes one shard's database; `change` gets a copy of its bytes and may return the same one. */
function damaged(path: string, shard: number, change: (bytes: Buffer) => Buffer): string {
  cpSync(whole, path, { recursive: true });
  writeFileSync(dataOf(path, shard), change(readFileSync(dataOf(whole, shard))));
  return path;
}

/** In bytes: what is asked for when a database is made. */
const pageBytes = 4096;

/** Writes one byte all over some pages. */
function spoilt(bytes: Buffer, fromPage: number, toPage: number, byte: number): Buffer {
  return bytes.fill(byte, fromPage * pageBytes, toPage * pageBytes);
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
      return bytes;
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
      const used = bytesInUse(bytes);
      const at = i % 2 === 0 ? random(used) : random(used / pageBytes) * pageBytes + random(64);
      bytes[at]! ^= 1 << random(8);
      return bytes;
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
  const paths = Array.from({ length: effort(30, 90) }, (_, i) => {
    const shard = random(shards);
    return damaged(join(folder, `${i}`), shard, (bytes) => {
      const used = bytesInUse(bytes);
      if (i % 3 === 0) return bytes.subarray(0, random(used));
      const page = random(used / pageBytes);
      return spoilt(bytes, page, page + 1, i % 3 === 1 ? 0 : 0xff);
    });
  });
  const [intact, ...results] = auditAll([whole, ...paths]);
  const missed = results.filter(
    ({ verdict, exported }) => verdict === 'sound' && exported !== intact!.exported,
  );
  expect(missed).toEqual([]);
});

/** What nobody may miss: each of these takes something that every database needs. */
const fatal: readonly (readonly [what: string, text: RegExp, change: (bytes: Buffer) => Buffer])[] = [
  [
    'said to be larger than memory',
    /is cut short: \d+ of \d+ bytes$/,
    (bytes) => {
      for (const page of [0, 1]) bytes[page * pageBytes + 148]! |= 0x80;
      return bytes;
    },
  ],
  ['cut to nothing', /is missing or empty$/, (bytes) => bytes.subarray(0, 0)],
  ['cut to its first byte', /or its beginning is damaged$/, (bytes) => bytes.subarray(0, 1)],
  ['cut to its first page', /or its beginning is damaged$/, (bytes) => bytes.subarray(0, pageBytes)],
  ['cut to its beginning', /that leads nowhere$/, (bytes) => bytes.subarray(0, 2 * pageBytes)],
  [
    'without its last byte',
    /is cut short: \d+ of \d+ bytes$/,
    (bytes) => bytes.subarray(0, bytesInUse(bytes) - 1),
  ],
  // Which of its pages is the last one is LMDB's affair.
  [
    'without its last page',
    /is cut short|leads/,
    (bytes) => bytes.subarray(0, bytesInUse(bytes) - pageBytes),
  ],
  ['without its first meta page', /or its beginning is damaged$/, (bytes) => spoilt(bytes, 0, 1, 0)],
  ['with its second meta page spoilt', /or its beginning is damaged$/, (bytes) => spoilt(bytes, 1, 2, 0xff)],
  [
    'with nothing behind its meta pages',
    /newest state$/,
    (bytes) => spoilt(bytes, 2, bytes.length / pageBytes, 0),
  ],
  [
    'with all behind its meta pages spoilt',
    /newest state$/,
    (bytes) => spoilt(bytes, 2, bytes.length / pageBytes, 0xff),
  ],
];

test.each(fatal)('a database %s is found, in whichever shard', (_, text, change) => {
  const folder = tempDir();
  const paths = Array.from({ length: shards }, (_, shard) =>
    damaged(join(folder, `${shard}`), shard, change),
  );
  for (const [shard, { verdict, finding, exported }] of auditAll(paths).entries()) {
    expect({ verdict, exported, finding }).toEqual({
      ...{ verdict: 'wrong', exported: 'ended early' },
      finding: { shard, text: expect.stringMatching(text) },
    });
  }
});
