/** Orders and refusals per second in a closed loop, contest by contest, each server beside its neighbours in the list. */
import type { BenchRun, Contender } from '../harness/bench.js';
import { Running, whileRunning } from '../harness/running.js';
import { noteBusy } from './busy.js';
import { nextPrefix } from './buyers.js';
import { type Race, racesOf } from './races.js';
import { type Shop, type StartShop, unitsTaken } from './shop.js';
import type { Shops } from './shops.js';
import { type Load, runLoad } from './wrk.js';

/** Seconds of one load: shorter than the profile's, because there are so many contenders. */
const loadSeconds = { smoke: 0.1, quick: 0.35, full: 1 } as const;
/** The code of a fresh server is compiled as it runs. */
const warmUpSeconds = { fresh: 1.5, kept: 0.4 } as const;
/**
 * Where a server's memory lies makes it faster or slower for all its life. So after so many rounds those that are fresh in a
 * contest are started again: with many more rounds than these it is not one server's luck that is measured.
 */
const roundsPerServer = 8;

/** Whether servers of a contest's own are started before this round; 0 is the one that does not count. */
export function startsBefore(round: number): boolean {
  return round === 0 || (round > 1 && (round - 1) % roundsPerServer === 0);
}

/** Throws unless every answer had the one status that this sale's orders should be answered with. */
function checkStatuses(
  { name, sale }: Race,
  statuses: ReadonlyMap<number, number>,
  answers: number,
  seconds: number,
): void {
  const wanted = sale === 'bench' ? 201 : 409;
  if (statuses.size === 1 && statuses.get(wanted) === answers) return;
  if (answers === 0)
    throw new Error(`${name}: there was no answer in ${seconds} s: is this machine very busy?`);
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
  const { sale, connections, ways } = race;
  const seconds = warmUp === undefined ? loadSeconds[run.profile.name] : warmUpSeconds[warmUp];
  const before = await unitsTaken(shop, sale);
  const load = await runLoad({
    ...{ wrk, url: shop.url, connections, sale, ways, prefix: nextPrefix() },
    seconds,
    countStatuses: warmUp !== undefined || !run.profile.measures,
  });
  const taken = (await unitsTaken(shop, sale)) - before;
  const { answers, refusals, statuses } = load;
  if (statuses !== undefined) checkStatuses(race, statuses, answers, seconds);
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

/** A server in a contest. */
interface Entrant {
  readonly name: string;
  /** Starts the contest's own; undefined for one that runs for all contests. */
  readonly start: StartShop | undefined;
  /** What the contest has started. */
  readonly own: Running;
  shop: Shop | undefined;
  readonly coreShares: number[];
}

function entrantsOf(race: Race, running: Running): Entrant[] {
  return Object.entries(race.contenders).flatMap(([name, server]): Entrant[] => {
    if (server === undefined) return [];
    const common = { name, own: running.add(new Running()), coreShares: [] };
    return typeof server === 'function'
      ? [{ ...common, start: server, shop: undefined }]
      : [{ ...common, start: undefined, shop: server }];
  });
}

async function hold(run: BenchRun, wrk: string, race: Race, running: Running): Promise<void> {
  const entrants = entrantsOf(race, running);
  // So that whoever is wrong is named.
  const raceOf = ({ name }: Entrant): Race => ({ ...race, name: `${race.name}, ${name}` });
  // Before the round: its loads have to be neighbours, or their ratio says nothing.
  const prepare = async (round: number) => {
    for (const entrant of entrants) {
      const { start, own } = entrant;
      if (start !== undefined && (entrant.shop === undefined || startsBefore(round))) {
        await own.stop();
        entrant.shop = await start(own);
      } else if (round > 0) continue;
      // Nothing that is not measured needs to be warm.
      if (!run.profile.measures) continue;
      await measure(run, wrk, entrant.shop!, raceOf(entrant), start === undefined ? 'kept' : 'fresh');
    }
  };
  const contenders = entrants.map(
    (entrant): Contender => ({
      name: entrant.name,
      measure: async (round) => {
        if (round === 0) return 0;
        const { perSecond, coreShare } = await measure(run, wrk, entrant.shop!, raceOf(entrant), undefined);
        entrant.coreShares.push(coreShare);
        return perSecond;
      },
    }),
  );
  const coreShares = new Map(entrants.map((entrant) => [entrant.name, entrant.coreShares]));
  await run.contest({
    name: race.name,
    unit: race.sale === 'bench' ? 'orders/s' : 'refusals/s',
    better: 'higher',
    manyRounds: true,
    prepare,
    contenders,
    ratios: race.goals.map(([of, to, target]) => ({ of, to, ...(target === undefined ? {} : { target }) })),
  });
  noteBusy(run, race.name, 'wrk', coreShares);
}

export async function closedLoop(run: BenchRun, wrk: string, shops: Shops): Promise<void> {
  for (const race of racesOf(shops, run.folder, run.profile.name)) {
    await whileRunning((running) => hold(run, wrk, race, running));
  }
}
