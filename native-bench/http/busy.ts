/** How busy a load generator was. One that has hardly any time left measures itself. */
import type { BenchRun } from '../harness/bench.js';
import { median } from '../harness/statistics.js';

/** Of a core. Above it, answers wait for the generator to read them. */
const shareMax = 0.9;

/**
 * Notes the medians, and says it where one of them is too high.
 *
 * @param shares by contender, what the generator took of a core in each round, from 0 to about 1
 */
export function noteBusy(
  run: BenchRun,
  contest: string,
  generator: string,
  shares: ReadonlyMap<string, readonly number[]>,
): void {
  const medians = [...shares].map(([name, rounds]) => ({ name, share: median(rounds) }));
  const list = medians.map(({ name, share }) => `${share.toFixed(2)} beside ${name}`).join(', ');
  run.note(`${contest}: of a core, ${generator} took ${list}.`);
  const busy = medians.filter(({ share }) => share > shareMax).map(({ name }) => name);
  if (busy.length === 0) return;
  run.note(
    `BUSY GENERATOR, ${contest}: ${generator} took over ${shareMax} of a core beside ${busy.join(', ')}: ` +
      'its own speed is in the figures there.',
  );
}
