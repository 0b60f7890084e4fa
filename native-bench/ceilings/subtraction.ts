/** Ceiling of a deduction: `Atomics.sub` by one thread, by several on one counter, and by several on one each. */
import { availableParallelism } from 'node:os';
import type { BenchRun, Contender } from '../harness/bench.js';
import type { Profile } from '../harness/profile.js';
import { Peer, withPeers } from './peer.js';
import { type Repeat, repeatFor, timeCalls } from './timing.js';

/** Units that each thread takes off per call: much longer than it takes to wake the threads. */
const unitsOf = ({ measures }: Profile): number => (measures ? 1_000_000 : 50_000);
/** Two cache lines, because x86 fetches lines in pairs. */
const lineWords = 32;
const shared = 1;
const own = 2;

/** The threads, and the counters: one for all at word 0, then one for each. */
class Team {
  readonly #counters: Int32Array;
  readonly #start: Int32Array;
  readonly peers: readonly Peer[];
  /** That each thread takes off per call. */
  readonly units: number;

  constructor(size: number, units: number) {
    this.units = units;
    this.#counters = new Int32Array(new SharedArrayBuffer((size + 1) * lineWords * 4));
    this.#start = new Int32Array(new SharedArrayBuffer(lineWords * 4));
    const [counters, start] = [this.#counters.buffer, this.#start.buffer];
    this.peers = Array.from({ length: size }, (_, i) => {
      const counterWord = { [shared]: 0, [own]: (i + 1) * lineWords };
      return new Peer(new URL('subtraction-worker.js', import.meta.url), {
        ...{ counters, start, counterWord, units },
      });
    });
  }

  /** Lets the first `threads` of the team take their units, and checks that exactly those are gone. */
  take(threads: number, command: typeof shared | typeof own): void {
    const team = this.peers.slice(0, threads);
    this.#counters.fill(0);
    if (command === shared) this.#counters[0] = threads * this.units;
    else for (let i = 1; i <= threads; i++) this.#counters[i * lineWords] = this.units;
    this.#start[0] = threads;
    for (const peer of team) peer.begin(command);
    for (const peer of team) peer.end();
    if (this.#counters.some((left) => left !== 0)) throw new Error('a counter has not lost what was taken');
  }
}

const names = {
  [shared]: (threads: number) => `${threads} threads, one counter`,
  [own]: (threads: number) => `${threads} threads, a counter each`,
};
const alone = '1 thread';

function contender(
  team: Team,
  threads: number,
  command: typeof shared | typeof own,
  repeat: Repeat,
): Contender {
  return {
    name: threads === 1 ? alone : names[command](threads),
    measure: () => {
      const { medianMs } = timeCalls(repeat, () => team.take(threads, command));
      return (threads * team.units * 1_000) / medianMs;
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
  const line = (command: typeof shared | typeof own) =>
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
