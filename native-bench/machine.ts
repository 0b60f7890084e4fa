/** What a figure was measured on: without it a figure is not a figure. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

function versionOf(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).split(
      '\n',
    )[0]!;
  } catch (error) {
    // wrk prints its version and exits with 1.
    const { stdout } = error as { stdout?: string };
    return stdout?.split('\n')[0] ?? 'not installed';
  }
}

/** One line per fact, to stand above a report. */
export function machine(): string[] {
  return [
    `cpu      ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`,
    `memory   ${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    `kernel   ${release()}`,
    `node     ${process.version}`,
    `wrk      ${versionOf('wrk', '-v')}`,
    `load     ${loadavg()
      .map((value) => value.toFixed(2))
      .join(' ')} (before the first round)`,
  ];
}
