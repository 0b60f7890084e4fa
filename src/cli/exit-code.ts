/** The exit codes of every command, and how a thrown error becomes one line on stderr and one of them. */
import { LeiniaoError } from '../errors.js';

export const exitCode = {
  ok: 0,
  /** The command ran and the answer is bad, or the server could not start. */
  failed: 1,
  /** The command line, the environment, the config file or a key file is wrong. */
  usage: 2,
  /** There was nothing to judge, or no verdict to come to. */
  couldNotRun: 3,
} as const;

export const exitCodeHelp = `
Exit codes:
  0    done; for simulate: sold exactly; for doctor and audit: nothing is wrong;
       for verify-receipt: valid
  1    serve could not start; simulate found an oversell, an undersell or a contradiction;
       doctor found a problem; audit, or export on its way, something wrong in a journal;
       the receipt is not valid
  2    wrong command line, environment, config file or key file
  3    simulate could not run, or could not come to a verdict; audit and export had no data
       folder to read; what was to be printed or written could not be
  130  stopped by SIGINT where that is not the ordinary end (143: by SIGTERM)
`;

/** Prints what went wrong and returns the exit code. Expected failures get one line; defects keep their stack. */
export function reportFailure(error: unknown): number {
  if (error instanceof LeiniaoError) {
    process.stderr.write(`leiniao: ${error.message.replaceAll('\n', ' ')} (${error.code})\n`);
    return error.code === 'invalid_options' ? exitCode.usage : exitCode.failed;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`leiniao: unexpected failure: ${text}\n`);
  return exitCode.failed;
}
