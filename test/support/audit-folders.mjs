/**
 * Audits each folder given and exports its journal, one after the other, and prints a line of JSON for each: the first
 * finding, or why it could not be audited, and a hash over all that the journal exports.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { audit } from '../../dist/audit/audit.js';
import { CannotAudit } from '../../dist/audit/cannot-audit.js';
import { readFolder } from '../../dist/audit/folder.js';
import { journalRows } from '../../dist/cli/export/journal-rows.js';
import { WrongJournal } from '../../dist/cli/export/wrong-journal.js';

async function auditOf(path) {
  try {
    const { verdict, findings } = await audit(path);
    return { verdict, finding: findings[0] };
  } catch (error) {
    if (!(error instanceof CannotAudit)) throw error;
    return { verdict: 'refused', finding: { text: error.message } };
  }
}

async function exportedOf(path) {
  const hash = createHash('sha256');
  try {
    for await (const rows of journalRows(readFolder(path))) hash.update(JSON.stringify(rows));
  } catch (error) {
    if (!(error instanceof WrongJournal || error instanceof CannotAudit)) throw error;
    return 'ended early';
  }
  return hash.digest('hex');
}

for await (const path of createInterface({ input: process.stdin })) {
  const result = { path, ...(await auditOf(path)), exported: await exportedOf(path) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
