/**
 * Shows how far the storm is: a bar on a terminal, a line every other second elsewhere. Writes to stderr. Some clicks are
 * answered more than once: who clicks again after the answer gets another.
 */
import cliProgress from 'cli-progress';
import type { Tally } from './tally.js';

const barMs = 100;
const lineMs = 2_000;

export interface Progress {
  readonly stop: () => void;
}

const soFar = (tally: Tally): string => {
  const refused = [...tally.refused.values()].reduce((sum, amount) => sum + amount, 0);
  return `${tally.accepted} accepted, ${refused} refused, ${tally.networkErrors} errors`;
};

function every(ms: number, show: () => void): () => void {
  const timer = setInterval(show, ms);
  timer.unref();
  return () => clearInterval(timer);
}

export function showProgress(total: number, done: () => number, tally: Tally): Progress {
  if (process.stderr.isTTY !== true) {
    const show = (): void => {
      process.stderr.write(`${done()} of ${total} clicks done; answers: ${soFar(tally)}\n`);
    };
    return { stop: every(lineMs, show) };
  }
  const bar = new cliProgress.SingleBar({
    format: '{bar} {percentage}% | {value}/{total} clicks done | answers: {soFar}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    // Signals are handled by the command, which stops the bar like everything else.
    gracefulExit: false,
  });
  bar.start(total, 0, { soFar: soFar(tally) });
  const show = (): void => bar.update(done(), { soFar: soFar(tally) });
  const cease = every(barMs, show);
  return {
    stop: () => {
      cease();
      show();
      bar.stop();
    },
  };
}
