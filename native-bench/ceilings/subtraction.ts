/** Ceiling of a deduction: `Atomics.sub` by one thread, by several on one counter, and by several on one each. */
import { availableParallelism } from 'node:os';
import type { BenchRun, Contender } from '../harness/bench.js';
import type { Profile } from '../harness/profile.js';
import { Peer, withPeers } from './peer.js';
import { type SubtractionTask, startWords } from './subtraction-task.js';
import { type Repeat, repeatFor, timePart } from './timing.js';

/** Units of one call, for all threads that share a counter; for each thread that has its own. */
const unitsOf = ({ measures }: Profile): number => (measures ? 1_000_000 : 50_000);
/** Two cache lines, because x86 fetches lines in pairs. */
const lineWords = 32;
const shared = 1;
const own = 2;
type Command = typeof shared | typeof own;

/** The threads, and the counters: one for all at word 0, then one for each. */
class Team {
  readonly #counters: Int32Array<SharedArrayBuffer>;
  readonly #start = new Int32Array(new SharedArrayBuffer(lineWords * 4));
  readonly #times: Float64Array<SharedArrayBuffer>;
  readonly #units: number;
  readonly peers: readonly Peer[];

  constructor(size: number, units: number) {
    this.#units = units;
    this.#counters = new Int32Array(new SharedArrayBuffer((size + 1) * lineWords * 4));
    this.#times = new Float64Array(new SharedArrayBuffer(size * 2 * 8));
    const [counters, start, times] = [this.#counters.buffer, this.#start.buffer, this.#times.buffer];
    this.peers = Array.from({ length: size }, (_, thread) => {
      const counterWord = { [shared]: 0, [own]: (thread + 1) * lineWords };
      const task: SubtractionTask = { counters, start, times, thread, counterWord };
      return new Peer(new URL('subtraction-worker.js', import.meta.url), task);
    });
  }

  /** That each thread takes off. Those who share get slower with each other, and would never be done with more. */
  unitsEach(threads: number, command: Command): number {
    return command === own ? this.#units : Math.ceil(this.#units / threads);
  }

  /**
   * Lets the first `threads` of the team take their units, and checks that exactly those are gone.
   *
   * @returns ms from when the first one left the barrier until the last one was done
   */
  take(threads: number, command: Command): number {
    const team = this.peers.slice(0, threads);
    const units = this.unitsEach(threads, command);
    this.#counters.fill(0);
    if (command === shared) this.#counters[0] = threads * units;
    else for (let i = 1; i <= threads; i++) this.#counters[i * lineWords] = units;
    this.#start[startWords.missing] = threads;
    this.#start[startWords.units] = units;
    for (const peer of team) peer.begin(command);
    for (const peer of team) peer.end();
    if (this.#counters.some((left) => left !== 0)) throw new Error('a counter has not lost what was taken');
    const times = this.#times.subarray(0, 2 * threads);
    // Nobody leaves the barrier before all are there, so the least is a start and the most an end.
    return Math.max(...times) - Math.min(...times);
  }
}

const names = {
  [shared]: (threads: number) => `${threads} threads, one counter`,
  [own]: (threads: number) => `${threads} threads, a counter each`,
};
const alone = '1 thread';

function contender(team: Team, threads: number, command: Command, repeat: Repeat): Contender {
  return {
    name: threads === 1 ? alone : names[command](threads),
    measure: () => {
      const { medianMs } = timePart(repeat, () => team.take(threads, command));
      return (threads * team.unitsEach(threads, command) * 1_000) / medianMs;
    },
  };
}

/** 2, 4, 8 … and all of the cores. */
function threadCounts(cores: number): number[] {
  const counts: number[] = [];
  for (let threads = 2; threads < cores; threads *= 2) counts.push(threads);
  return cores > 1 ? [...counts, cores] : counts;
}

export async function measureSubtraction(run: BenchRun): Promise<void> {
  const cores = availableParallelism();
  const counts = threadCounts(cores);
  const team = new Team(cores, unitsOf(run.profile));
  const repeat = repeatFor(run.profile);
  const result = await withPeers(team.peers, () =>
    run.contest({
      ...{ name: 'Atomics.sub of one unit', unit: 'ops/s', better: 'higher' },
      contenders: [
        contender(team, 1, shared, repeat),
        ...counts.flatMap((threads) => [
          contender(team, threads, shared, repeat),
          contender(team, threads, own, repeat),
        ]),
      ],
      ratios: counts.flatMap((threads) => [
        { of: names[shared](threads), to: alone },
        { of: names[own](threads), to: alone },
      ]),
    }),
  );
  const medianOf = (name: string): number => result.figures.find((figure) => figure.name === name)!.median;
  const line = (command: Command) =>
    [1, ...counts].map((threads): [number, number] => [
      threads,
      medianOf(threads === 1 ? alone : names[command](threads)),
    ]);
  run.curves({
    name: 'Atomics.sub over threads',
    x: { label: 'threads', scale: 'linear' },
    y: { label: 'ops/s, all threads together', scale: 'linear' },
    lines: [
      { name: 'one counter', points: line(shared) },
      { name: 'a counter each', points: line(own) },
    ],
  });
}
