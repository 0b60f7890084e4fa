/** Audits of forged journals: in a right hash chain, with entries that are wrong. */
import { describe, expect, test } from 'vitest';
import { type AuditReport, audit } from '../../dist/audit/audit.js';
import { type Entries, ForgedJournal, holdMs, opensMs, writeFolder } from '../support/forged-folder.js';
import { tempDir } from '../support/temp-dir.js';

export async function auditOf(...journals: ForgedJournal[]): Promise<AuditReport> {
  const path = tempDir();
  await writeFolder(path, journals, []);
  return await audit(path);
}

/** The time of commit 3, which follows on what every forged journal begins with. */
export const laterMs = opensMs + 20_000;
export const deadlineMs = opensMs + 10_000 + holdMs;

/** The last moment that a JavaScript Date can tell (ECMAScript, Time Values and Time Range). */
export const timeMsMax = 8.64e15;

/** A sale that sells outright, beside the standard one. */
export const outright = {
  row: 2,
  revision: 2,
  saleNumber: 2,
  holdSeconds: 0,
  sale: 'o',
  sku: 'x',
  limitPerBuyer: 0,
};

export type Case = readonly [
  what: string,
  text: RegExp,
  entry: number,
  write: (entries: Entries) => void,
  timeMs?: number,
];

/** A test for each case. */
export function firstWrongEntries(cases: readonly Case[]): void {
  describe('the first wrong entry is named:', () => {
    test.each(cases.map((one) => [one[0], one] as const))('%s', async (_, one) => {
      const [, text, entry, write, timeMs = laterMs] = one;
      const report = await auditOf(new ForgedJournal().begin().commit(timeMs, write));
      expect(report.verdict).toBe('wrong');
      expect(report.findings[0]).toMatchObject({ shard: 0, commit: 3, entry });
      expect(report.findings[0]!.text).toMatch(text);
      expect(report.shards[0]!.whole).toBe(false);
    });
  });
}
