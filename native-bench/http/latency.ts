/**
 * How long an order takes at half of what leiniao and the generator can do together, in an open loop: leiniao beside bare
 * uWebSockets.js at the same rate.
 */
import type { BenchRun } from '../harness/bench.js';
import { measureInChild } from '../harness/child.js';
import { coresOfMachine, pinTo } from '../harness/cores.js';
import { findProgram } from '../harness/programs.js';
import { whileRunning } from '../harness/running.js';
import { median } from '../harness/statistics.js';
import { noteBusy } from './busy.js';
import { nextPrefix } from './buyers.js';
import { bare, leiniao } from './contenders.js';
import type { GeneratorOptions, GeneratorResult, OpenLoop, OpenLoopResult } from './generator.js';
import { startLeiniao } from './leiniao.js';
import { sku } from './servers/answers.js';
import { type Shop, type StartShop, unitsTaken } from './shop.js';

const generator = new URL('./generator.js', import.meta.url);

const connections = 64;
/** Of the capacity, so that nobody waits only because the machine is full. */
const rateShare = 0.5;
const capacityRounds = 5;

/** Seconds of the loops. */
const closedSeconds = { smoke: 0.2, quick: 0.4, full: 1 } as const;
const warmUpSeconds = { smoke: 0.2, quick: 2, full: 3 } as const;
const openSeconds = { smoke: 0.2, quick: 1.2, full: 2 } as const;

/** Each a figure; the target is for leiniao beside bare. */
const figures = [
  { name: 'p50', share: 0.5 },
  { name: 'p90', share: 0.9 },
  { name: 'p99', share: 0.99, target: 1.5 },
  { name: 'p99.9', share: 0.999 },
] as const;

/** Where the curve has its points. */
const shares = [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];

type Generate = (round: number) => Promise<GeneratorResult>;

/** Commands that keep the generator and a server on CPUs of their own, where that can be. */
interface Pins {
  readonly generator: readonly string[];
  readonly server: readonly string[];
  /** How that is said in the report. */
  readonly note: string;
}

/**
 * A CPU for the generator, all others for the server: on those that they share a thread that is woken waits until the
 * generator's time is up, as it never would for a generator on another machine.
 */
function pinsOf({ cpus, whole }: ReturnType<typeof coresOfMachine>, taskset: string | undefined): Pins {
  const [first, ...others] = cpus;
  if (taskset === undefined || whole < 2) {
    const why = taskset === undefined ? 'there is no taskset (util-linux)' : 'there is only one core';
    return { generator: [], server: [], note: `shared the CPUs with the servers: ${why}` };
  }
  return {
    generator: pinTo(taskset, [first!]),
    server: pinTo(taskset, others),
    note: `had CPU ${first} to itself, and a server had CPU ${others.join(', ')}`,
  };
}

/**
 * Starts a generator, and lets `use` run it round by round. A round rejects unless as many units were taken as orders
 * accepted: all that were sent.
 *
 * @param open undefined for the closed loop alone
 */
async function withGenerator<Result>(
  run: BenchRun,
  shop: Shop,
  open: OpenLoop | undefined,
  pins: Pins,
  use: (generate: Generate) => Promise<Result>,
): Promise<Result> {
  const { name: profile } = run.profile;
  const options: GeneratorOptions = {
    ...{ url: shop.url, sale: 'bench', sku, prefix: nextPrefix(), connections, percentiles: shares, open },
    ...{ closedSeconds: closedSeconds[profile], warmUpSeconds: warmUpSeconds[profile] },
  };
  return await measureInChild<GeneratorOptions, GeneratorResult, Result>(
    generator,
    options,
    (child) =>
      use(async (round) => {
        const before = await unitsTaken(shop, 'bench');
        const result = await child.measure(round);
        const taken = (await unitsTaken(shop, 'bench')) - before;
        if (taken !== result.accepted)
          throw new Error(`${taken} units were taken, ${result.accepted} accepted`);
        return result;
      }),
    pins.generator,
  );
}

/** Orders per second of leiniao and the generator together. */
async function capacityOf(run: BenchRun, shop: Shop, pins: Pins): Promise<number> {
  return await withGenerator(run, shop, undefined, pins, async (generate) => {
    const rates: number[] = [];
    for (let round = 0; round <= (run.profile.measures ? capacityRounds : 1); round++) {
      const { closedPerSecond } = await generate(round);
      if (round > 0) rates.push(closedPerSecond!);
    }
    return median(rates);
  });
}

function at(result: OpenLoopResult, share: number, times: 'latencyMs' | 'latenessMs'): number {
  return result[times][shares.indexOf(share)]!;
}

/** With the fewest digits that say it. */
function ms(value: number): string {
  return `${value.toPrecision(2)} ms`;
}

export async function latency(run: BenchRun, startBare: StartShop): Promise<void> {
  await whileRunning(async (running) => {
    const pins = pinsOf(coresOfMachine(), findProgram('taskset'));
    const bareShop = await startBare(running, pins.server);
    const fresh = await startLeiniao(running, run.folder, {
      ...{ durability: 'memory', receipts: false, profile: run.profile.name, pin: pins.server },
    });
    await openLoop(run, bareShop, fresh, pins);
  });
}

async function openLoop(run: BenchRun, bareShop: Shop, leiniaoShop: Shop, pins: Pins): Promise<void> {
  const capacity = await capacityOf(run, leiniaoShop, pins);
  const rate = Math.max(100, Math.round((capacity * rateShare) / 100) * 100);
  const open = { seconds: openSeconds[run.profile.name], rate };
  const results = await withGenerator(run, bareShop, open, pins, (toBare) =>
    withGenerator(run, leiniaoShop, open, pins, (toLeiniao) =>
      run.turns(
        Object.entries({ [bare]: toBare, [leiniao]: toLeiniao }).map(([name, generate]) => ({
          name,
          measure: async (round) => (await generate(round)).open!,
        })),
        (name, round, result) =>
          run.say(`latency, round ${round}: ${name} p99 ${ms(at(result, 0.99, 'latencyMs'))}`),
        { manyRounds: true },
      ),
    ),
  );
  // Neither server's own capacity: on one machine the generator takes cores too.
  const pace = `at ${rate} orders/s, half of what server and generator do together`;
  for (const { name, share, ...goal } of figures) {
    run.keep(
      {
        name: `latency ${name}, memory, open loop ${pace}`,
        unit: 'ms',
        better: 'lower',
        ratios: [{ of: leiniao, to: bare, ...goal }],
      },
      Object.fromEntries(
        [...results].map(([contender, rounds]) => [
          contender,
          rounds.map((round) => at(round, share, 'latencyMs')),
        ]),
      ),
    );
  }
  run.curves({
    name: `latency of an order at ${rate} orders/s, open loop, durability memory`,
    x: { label: 'one order in', scale: 'log' },
    y: { label: 'is slower than, ms', scale: 'log' },
    lines: [...results].map(([name, rounds]) => ({
      name,
      // A percentile that stands on less than a handful of orders is luck.
      points: shares
        .filter((share) => (1 - share) * rate * open.seconds >= 5)
        .map(
          (share) =>
            [
              Math.round(1 / (1 - share)),
              median(rounds.map((round) => at(round, share, 'latencyMs'))),
            ] as const,
        ),
    })),
  });
  noteGenerator(run, capacity, rate, pins, results);
}

function noteGenerator(
  run: BenchRun,
  capacity: number,
  rate: number,
  pins: Pins,
  results: ReadonlyMap<string, readonly OpenLoopResult[]>,
): void {
  const late = [...results].map(([name, rounds]) => {
    const of = (share: number) => ms(median(rounds.map((round) => at(round, share, 'latenessMs'))));
    return `${of(0.5)} in the median and ${of(0.99)} at p99 beside ${name}`;
  });
  run.note(
    `Open loop: ${rate} orders/s over ${connections} connections, half of the ${Math.round(capacity)} that leiniao and ` +
      'the generator do together in a closed loop; every latency counts from when the order was due. The generator ' +
      `${pins.note}.`,
  );
  run.note(
    `What the generator adds is in both figures: it sent its orders late by ${late.join(', ')}; the rest of bare's ` +
      'latency is the way there and back and its own reading of the answer.',
  );
  const coreShares = [...results].map(
    ([name, rounds]) => [name, rounds.map(({ coreShare }) => coreShare)] as const,
  );
  noteBusy(run, `latency at ${rate} orders/s`, 'the generator', new Map(coreShares));
}
