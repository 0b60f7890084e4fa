/** Orders and refusals per second in a closed loop, contest by contest, each server beside its neighbours in the list. */
import type { BenchRun, Contender } from '../harness/bench.js';
import { type Running, whileRunning } from '../harness/running.js';
import { noteBusy } from './busy.js';
import { nextPrefix } from './buyers.js';
import { startLeiniao } from './leiniao.js';
import { type Race, racesOf } from './races.js';
import { type Shop, unitsTaken } from './shop.js';
import type { Shops } from './shops.js';
import { type Load, runLoad } from './wrk.js';

/** Seconds of one load: shorter than the profile's, because there are so many contenders. */
const loadSeconds = { smoke: 0.25, quick: 0.35, full: 1 } as const;
/** leiniao is fresh in every contest, and its code is compiled as it runs; the others are so in their first one only. */
const warmUpSeconds = { fresh: 2, kept: 0.4 } as const;

/** Throws unless every answer had the one status that this sale's orders should be answered with. */
function checkStatuses({ name, sale }: Race, statuses: ReadonlyMap<number, number>, answers: number): void {
  const wanted = sale === 'bench' ? 201 : 409;
  if (statuses.size === 1 && statuses.get(wanted) === answers) return;
  const seen = [...statuses].map(([status, count]) => `${count} were ${status}`).join(', ');
  throw new Error(`${name}: of ${answers} answers, all of which should be ${wanted}, ${seen}`);
}

/** One load. Rejects unless all answers were of the kind that was asked for, and as many units taken as orders accepted. */
async function measure(
  run: BenchRun,
  wrk: string,
  shop: Shop,
  race: Race,
  warmUp: keyof typeof warmUpSeconds | undefined,
): Promise<Load> {
  const { sale, connections } = race;
  const seconds = loadSeconds[run.profile.name];
  const before = await unitsTaken(shop, sale);
  const load = await runLoad({
    ...{ wrk, url: shop.url, connections, sale, prefix: nextPrefix() },
    seconds: warmUp === undefined ? seconds : warmUpSeconds[warmUp],
    countStatuses: warmUp !== undefined || !run.profile.measures,
  });
  const taken = (await unitsTaken(shop, sale)) - before;
  const { answers, refusals, statuses } = load;
  if (statuses !== undefined) checkStatuses(race, statuses, answers);
  if (sale === 'sold-out') {
    if (refusals !== answers || taken !== 0) {
      throw new Error(
        `${race.name}: ${answers - refusals} of ${answers} answers were orders, ${taken} units taken`,
      );
    }
    return load;
  }
  if (refusals !== 0) throw new Error(`${race.name}: ${refusals} of ${answers} answers were refusals`);
  // One order per connection may have been made whose answer wrk did not wait for.
  if (taken < answers || taken > answers + connections) {
    throw new Error(`${race.name}: ${taken} units were taken, but ${answers} orders accepted`);
  }
  return load;
}

/** The race's servers by name, in their order; leiniao's are started for it. */
async function starters(run: BenchRun, running: Running, race: Race): Promise<Map<string, Shop>> {
  const shops = new Map<string, Shop>();
  for (const [name, contender] of Object.entries(race.contenders)) {
    if (contender === undefined) continue;
    shops.set(name, 'url' in contender ? contender : await startLeiniao(running, run.folder, contender));
  }
  return shops;
}

async function hold(run: BenchRun, wrk: string, race: Race, shops: ReadonlyMap<string, Shop>): Promise<void> {
  const coreShares = new Map([...shops.keys()].map((name) => [name, [] as number[]]));
  const contenders = [...shops].map(([name, shop]): Contender => {
    const warmUp = shop === race.contenders[name] ? 'kept' : 'fresh';
    const once = async (round: number) => {
      // Nothing that is not measured needs to be warm.
      if (round === 0 && !run.profile.measures) return 0;
      const { perSecond, coreShare } = await measure(run, wrk, shop, race, round === 0 ? warmUp : undefined);
      if (round > 0) coreShares.get(name)!.push(coreShare);
      return perSecond;
    };
    return { name, measure: once };
  });
  await run.contest({
    name: race.name,
    unit: race.sale === 'bench' ? 'orders/s' : 'refusals/s',
    better: 'higher',
    manyRounds: true,
    contenders,
    ratios: race.goals.map(([of, to, target]) => ({ of, to, ...(target === undefined ? {} : { target }) })),
  });
  noteBusy(run, race.name, 'wrk', coreShares);
}

export async function closedLoop(run: BenchRun, wrk: string, shops: Shops): Promise<void> {
  for (const race of racesOf(shops, run.profile.name)) {
    await whileRunning(async (running) => hold(run, wrk, race, await starters(run, running, race)));
  }
}
