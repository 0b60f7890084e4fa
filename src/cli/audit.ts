/**
 * `leiniao audit`: what the journals of a data folder prove, and the first entry that is wrong. The report goes to stdout,
 * progress to stderr.
 */
import { audit as auditFolder } from '../audit/audit.js';
import { CannotAudit } from '../audit/folder.js';
import { showAuditProgress } from './audit/progress.js';
import { jsonReport, textReport } from './audit/report.js';
import { exitCode } from './exit-code.js';

/** Audits a data folder. Returns 0 if it is sound, 1 if anything is wrong, 3 if there was nothing to audit. */
export async function audit(dataDir: string, options: { readonly json: boolean }): Promise<number> {
  const progress = showAuditProgress();
  try {
    const report = await auditFolder(dataDir, progress.listener);
    progress.stop();
    process.stdout.write(options.json ? jsonReport(report) : textReport(report));
    return report.verdict === 'sound' ? exitCode.ok : exitCode.failed;
  } catch (error) {
    progress.stop();
    if (!(error instanceof CannotAudit)) throw error;
    process.stderr.write(`leiniao: could not audit: ${error.message}\n`);
    return exitCode.couldNotRun;
  }
}
