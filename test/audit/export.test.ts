/** What `leiniao audit` and `leiniao export` print, and the codes they end with. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ForgedJournal, opensMs, writeFolder } from '../support/forged-folder.js';
import { runCli } from '../support/run-cli.js';
import { tempDir } from '../support/temp-dir.js';

const main = join(import.meta.dirname, '../../dist/cli/main.js');

async function folder(journal = new ForgedJournal().begin()): Promise<string> {
  const path = tempDir();
  await writeFolder(path, [journal]);
  return path;
}

const oversold = () =>
  new ForgedJournal()
    .begin()
    .commit(opensMs + 20_000, (e) =>
      e.settle('confirmed', 0).accept({ number: 3, sequence: 2, row: 1, quantity: 3 }),
    );

/** A reader of RFC 4180 of the test's own. */
function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/gy;
  for (let match = field.exec(text); match !== null; match = field.exec(text)) {
    const [, raw, end] = match;
    row.push(raw!.startsWith('"') ? raw!.slice(1, -1).replaceAll('""', '"') : raw!);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  expect(row).toEqual([]);
  return rows;
}

describe('leiniao audit', () => {
  test('ends with 0 and the verdict in its last line where nothing is wrong', async () => {
    const { code, stdout, stderr } = await runCli('audit', await folder());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n').at(-1)).toBe(
      'verdict: sound: each of 5 entries follows from those before it',
    );
  });

  test('ends with 1 and names the first wrong entry', async () => {
    const path = await folder(oversold());
    const sentence = 'oversold: 3 units of s/b are taken where 2 are available';
    const { code, stdout } = await runCli('audit', path);
    expect(code).toBe(1);
    expect(stdout.trim().split('\n').at(-1)).toBe(
      `verdict: wrong: shard 0, commit 3, entry 2 (accepted): ${sentence}`,
    );
    const json = await runCli('audit', path, '--json');
    expect(json.code).toBe(1);
    const first = { shard: 0, commit: 3, entry: 2, type: 'accepted', text: sentence };
    expect(JSON.parse(json.stdout)).toMatchObject({ verdict: 'wrong', findings: [first], firstWrong: first });
  });

  test('ends with 3 where there is nothing to audit, and with 2 where it is not said what', async () => {
    const missing = await runCli('audit', join(tempDir(), 'none'));
    expect(missing).toMatchObject({ code: 3, stdout: '' });
    expect(missing.stderr).toMatch(/^leiniao: could not audit: there is no /);
    expect((await runCli('audit')).code).toBe(2);
    expect((await runCli('audit', '--help')).stdout).toMatch(/data-dir/);
  });
});

describe('leiniao export', () => {
  test('writes orders as JSON lines by default', async () => {
    const { code, stdout } = await runCli('export', await folder());
    expect(code).toBe(0);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(3);
    expect(rows[0]).toEqual({
      ...{ orderId: '0011220000000000', sale: 's', sku: 'a', buyer: 'u-0', quantity: 1, status: 'held' },
      ...{ sequence: 1, createdAt: '1970-01-01T00:16:50.000Z', expiresAt: '1970-01-01T00:18:30.000Z' },
      ...{ durability: 'fsync', reacquired: false, idempotencyKey: 'k-0' },
    });
  });

  test('writes CSV that is read back as it was, quotes and commas included', async () => {
    const buyer = 'a "b", c';
    const journal = new ForgedJournal().commit(opensMs, (entries) =>
      entries.define().accept({ number: 0, sequence: 1, buyer, key: '"' }).accept({ number: 1, sequence: 2 }),
    );
    const path = await folder(journal);
    const out = join(tempDir(), 'orders.csv');
    expect(await runCli('export', path, '--format', 'csv', '--out', out)).toMatchObject({
      code: 0,
      stdout: '',
    });
    const [head, first, second, ...more] = csvRows(readFileSync(out, 'utf8'));
    expect(more).toEqual([]);
    expect(head).toHaveLength(first!.length);
    expect(first![head!.indexOf('buyer')]).toBe(buyer);
    expect(first![head!.indexOf('idempotencyKey')]).toBe('"');
    expect(second![head!.indexOf('idempotencyKey')]).toBe('');
  });

  test('writes the journal, entry by entry', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(opensMs + 20_000, (e) => e.settle('cancelled', 1).restock(0, -1, 'r').control(1, 1));
    const path = await folder(journal);
    const { stdout } = await runCli('export', path, '--what', 'journal');
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ type }) => type)).toEqual([
      ...['defined', 'defined', 'accepted', 'accepted', 'accepted', 'cancelled', 'restocked', 'controlled'],
    ]);
    expect(rows[6]).toEqual({
      ...{ shard: 0, commit: 3, entry: 2, time: '1970-01-01T00:17:00.000Z', type: 'restocked' },
      ...{ row: 0, quantity: -1, idempotencyKey: 'r' },
    });
    const csv = csvRows((await runCli('export', path, '--what', 'journal', '--format', 'csv')).stdout);
    expect(csv).toHaveLength(9);
    // No field of any entry is without a column.
    for (const row of rows) for (const name of Object.keys(row)) expect(csv[0]).toContain(name);
  });

  test('ends with 1 at the first wrong entry, after what came before it', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(opensMs + 20_000, (e) => e.settle('confirmed', 0));
    journal.records[2]![100]! ^= 1;
    const path = await folder(journal);
    const { code, stdout, stderr } = await runCli('export', path, '--what', 'journal');
    expect(code).toBe(1);
    expect(stdout.trim().split('\n')).toHaveLength(5);
    expect(stderr).toMatch(/ends where the journal is wrong: shard 0, commit 3: its content does not match/);
    expect(await runCli('export', path)).toMatchObject({ code: 1, stdout: '' });
  });

  test('leaves the file of an earlier export as it was, and what it could read beside it', async () => {
    const journal = new ForgedJournal().begin();
    journal.commit(opensMs + 20_000, (e) => e.settle('confirmed', 0));
    journal.records[2]![100]! ^= 1;
    const path = await folder(journal);
    const out = join(tempDir(), 'journal.ndjson');
    writeFileSync(out, 'of yesterday\n');
    const { code, stderr } = await runCli('export', path, '--what', 'journal', '--out', out);
    expect({ code, stderr }).toEqual({
      ...{ code: 1, stderr: expect.stringMatching(/; what was read until then is in .*\.partial\n$/) },
    });
    expect(readFileSync(out, 'utf8')).toBe('of yesterday\n');
    const partial = / is in (.*)\n$/.exec(stderr)![1]!;
    expect(readFileSync(partial, 'utf8').trim().split('\n')).toHaveLength(5);
  });

  test('ends with 3 where there is nothing to export, and with 2 where it is asked for nonsense', async () => {
    expect((await runCli('export', join(tempDir(), 'none'))).code).toBe(3);
    expect((await runCli('export', await folder(), '--out', join(tempDir(), 'no/such/file'))).code).toBe(3);
    expect((await runCli('export', await folder(), '--format', 'xml')).code).toBe(2);
  });

  test('ends in silence when its reader has had enough', async () => {
    const journal = new ForgedJournal().commit(opensMs, (e) =>
      e.define({ total: 1_000_000, limitPerBuyer: 0 }),
    );
    for (let number = 0; number < 20_000; ) {
      journal.commit(opensMs, (entries) => {
        for (const end = number + 2_000; number < end; number++)
          entries.accept({ number, sequence: number + 1 });
      });
    }
    const path = await folder(journal);
    const child = spawn(process.execPath, [main, 'export', path], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  });
});
