/**
 * `leiniao simulate`: a crowd of buyers against a server over HTTP, and the verdict whether it sold exactly.
 * Results go to stdout, progress and errors to stderr.
 */
import { setMaxListeners } from 'node:events';
import { exitCode } from './exit-code.js';
import { ServerGone } from './simulate/asker.js';
import type { SimulateOptions } from './simulate/options.js';
import { OwnServer } from './simulate/own-server.js';
import { jsonReport, textReport } from './simulate/report.js';
import { EndedEarly, run } from './simulate/run.js';
import { CouldNotRun } from './simulate/sale-client.js';

/** The conventional exit codes of a process stopped by these signals. */
const interruptedCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type Interruption = keyof typeof interruptedCodes;

/** Calls `work` with a signal that aborts on the first SIGINT or SIGTERM. The second one exits at once. */
async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let interruption: Interruption | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    // The second: leave now. The 'exit' handler of the server we started still kills it.
    if (interruption !== undefined) process.exit(interruptedCodes[interruption]);
    interruption = signal as Interruption;
    abort.abort(new CouldNotRun(`interrupted by ${signal}`));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const code = await work(abort.signal);
    return interruption === undefined ? code : interruptedCodes[interruption];
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

async function simulateOnce(options: SimulateOptions, signal: AbortSignal): Promise<number> {
  const server =
    options.url === undefined ? await OwnServer.start(options.ownServerFlags, signal) : undefined;
  const url = options.url ?? server!.url;
  let badEnd: string | undefined;
  let outcome: Awaited<ReturnType<typeof run>>;
  try {
    const { workload } = options;
    if (!options.json) {
      process.stderr.write(`${workload.buyers} buyers storm ${url} with seed ${workload.seed}\n`);
    }
    const ended = server === undefined ? signal : AbortSignal.any([signal, server.died]);
    // Every connection that waits to try again listens for it: no leak, however many.
    setMaxListeners(0, ended);
    outcome = await run(url, options, ended);
  } finally {
    badEnd = await server?.stop();
  }
  const warnings = badEnd === undefined ? outcome.warnings : [...outcome.warnings, badEnd];
  const report = { ...outcome, warnings };
  process.stdout.write(options.json ? jsonReport(report) : textReport(report));
  return outcome.verdict.verdict === 'exact' ? exitCode.ok : exitCode.failed;
}

/** Runs one simulation. Returns 0 if the server sold exactly, 1 if it did not, 3 if it could not be told. */
export async function simulate(options: SimulateOptions): Promise<number> {
  return await interruptible(async (signal) => {
    try {
      return await simulateOnce(options, signal);
    } catch (error) {
      const early = error instanceof EndedEarly;
      if (!early && !(error instanceof CouldNotRun || error instanceof ServerGone)) throw error;
      process.stderr.write(
        `leiniao: ${early ? 'ended early, no verdict' : 'could not run'}: ${error.message}\n`,
      );
      return exitCode.couldNotRun;
    }
  });
}
