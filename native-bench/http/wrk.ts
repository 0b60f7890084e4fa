/** One closed-loop load: wrk in a process of its own, each of its connections sends the next order when it has an answer. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../harness/programs.js';

const script = fileURLToPath(new URL('../../http/orders.lua', import.meta.url));
/** Orders that wait longer than this fail the load; wrk's own 2 s are too few for 512 connections to a slow store. */
const answerSecondsMax = 30;

interface LoadOptions {
  readonly wrk: string;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly sale: string;
  /** What every buyer's name begins with. */
  readonly prefix: string;
  /** In how many ways orders are written, one after the other. */
  readonly ways: number;
  /** Whether answers are counted by their status, which costs wrk a call for each: not in a load that is measured. */
  readonly countStatuses: boolean;
}

export interface Load {
  /** Answers that wrk counted. */
  readonly answers: number;
  /** Those of them that were no orders. */
  readonly refusals: number;
  readonly perSecond: number;
  /** Of a core, what wrk took itself: at 1 it could not have been faster. */
  readonly coreShare: number;
  /** How many answers had each status; undefined where that was not counted. */
  readonly statuses: ReadonlyMap<number, number> | undefined;
}

/** Rejects where a connection fails or an answer is missing. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { wrk, url, connections, seconds, sale, prefix, ways, countStatuses } = options;
  const { child, stop } = startProgram(
    wrk,
    [
      ...['-t', '1', '-c', String(connections), '-d', `${Math.ceil(seconds)}s`],
      ...['--timeout', `${answerSecondsMax}s`, '-s', script, url, '--', sale, prefix, String(ways)],
      ...(countStatuses ? ['statuses'] : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  // wrk takes whole seconds only; interrupted, it reports on the time that it had.
  const interrupt = Number.isInteger(seconds)
    ? undefined
    : setTimeout(() => child.kill('SIGINT'), seconds * 1_000);
  try {
    await once(child, 'close');
  } finally {
    clearTimeout(interrupt);
    if (child.exitCode === null && child.signalCode === null) await stop();
  }
  const answers = /(\d+) requests in/.exec(output)?.[1];
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  const coreShare = /^core share: ([\d.]+)/m.exec(output)?.[1];
  if (answers === undefined || rate === undefined || coreShare === undefined)
    throw new Error(`wrk failed: ${output}`);
  if (/Socket errors/.test(output)) throw new Error(`wrk had socket errors: ${output}`);
  const refusals = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  const statuses = countStatuses ? statusesIn(output) : undefined;
  return {
    ...{ answers: Number(answers), refusals, statuses },
    ...{ perSecond: Number(rate), coreShare: Number(coreShare) },
  };
}

/** As orders.lua prints them. */
function statusesIn(output: string): ReadonlyMap<number, number> {
  return new Map(
    Array.from(output.matchAll(/^status (\d+): (\d+)$/gm), ([, status, answers]) => [
      Number(status),
      Number(answers),
    ]),
  );
}
