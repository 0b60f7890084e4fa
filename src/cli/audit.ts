/**
 * `leiniao audit`: what the journals of a data folder prove, and the first entry that is wrong. The report goes to stdout,
 * progress to stderr.
 */
import { type AuditReport, audit as auditFolder } from '../audit/audit.js';
import { CannotAudit } from '../audit/cannot-audit.js';
import type { ReceiptVerdict } from '../receipt/verify.js';
import { showAuditProgress } from './audit/progress.js';
import { holdAgainst, placeOf, type ReceiptReport } from './audit/receipt.js';
import { jsonReport, textReport } from './audit/report.js';
import { exitCode } from './exit-code.js';
import { type GivenReceipt, verdictOn } from './verify-receipt.js';

export interface AuditOptions {
  readonly json: boolean;
  /** One whose order the journal should have. */
  readonly receipt?: GivenReceipt;
}

/**
 * Audits a data folder. Returns 0 if it is sound and has what the receipt says, 1 if anything is wrong, 3 if there was
 * nothing to audit.
 *
 * @throws LeiniaoError `invalid_options` where the public key cannot be used
 */
export async function audit(dataDir: string, options: AuditOptions): Promise<number> {
  const verdict = options.receipt && (await verdictOn(options.receipt));
  const progress = showAuditProgress();
  try {
    const place = verdict?.ok ? placeOf(verdict.receipt) : undefined;
    const report = await auditFolder(dataDir, progress.listener, place);
    progress.stop();
    const receipt = verdict && receiptReport(verdict, report);
    process.stdout.write(options.json ? jsonReport(report, receipt) : textReport(report, receipt));
    const sound = report.verdict === 'sound' && receipt?.contained !== false;
    return sound ? exitCode.ok : exitCode.failed;
  } catch (error) {
    progress.stop();
    if (!(error instanceof CannotAudit)) throw error;
    process.stderr.write(`leiniao: could not audit: ${error.message}\n`);
    return exitCode.couldNotRun;
  }
}

function receiptReport(verdict: ReceiptVerdict, report: AuditReport): ReceiptReport {
  return verdict.ok
    ? holdAgainst(verdict.receipt, report)
    : { contained: false, text: `not valid: ${verdict.detail}` };
}
