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
const loadSeconds = { smoke: 0.25, quick: 0.35, full: 1 } as const;
/** The code of a fresh server is compiled as it runs. */
const warmUpSeconds = { fresh: 2, kept: 0.4 } as const;
/**
 * Where a server's memory lies makes it up to a tenth faster or slower for all its life. So after so many rounds those that
 * are fresh in a contest are started again, and with enough rounds it is not one server's luck that is measured.
 */
const roundsPerServer = 8;

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

/** A server as a contest sees it. */
interface Entrant {
  /** The server for a round, and how it is to be warmed up first. */
  readonly at: (round: number) => Promise<{ shop: Shop; warmUp: keyof typeof warmUpSeconds | undefined }>;
}

function kept(shop: Shop): Entrant {
  return { at: async (round) => ({ shop, warmUp: round === 0 ? 'kept' : undefined }) };
}

/** A server of the contest's own, and another one every few rounds. */
function fresh(running: Running, start: StartShop): Entrant {
  const own = running.add(new Running());
  let shop: Shop | undefined;
  return {
    at: async (round) => {
      const renews = shop === undefined || (round > 1 && (round - 1) % roundsPerServer === 0);
      if (renews) {
        await own.stop();
        shop = await start(own);
      }
      return { shop: shop!, warmUp: renews ? 'fresh' : undefined };
    },
  };
}

async function hold(run: BenchRun, wrk: string, race: Race, running: Running): Promise<void> {
  const coreShares = new Map<string, number[]>();
  const contenders: Contender[] = [];
  for (const [name, server] of Object.entries(race.contenders)) {
    if (server === undefined) continue;
    const entrant = typeof server === 'function' ? fresh(running, server) : kept(server);
    const shares: number[] = [];
    coreShares.set(name, shares);
    const once = async (round: number) => {
      const { shop, warmUp } = await entrant.at(round);
      // Nothing that is not measured needs to be warm.
      if (warmUp !== undefined && run.profile.measures) await measure(run, wrk, shop, race, warmUp);
      if (round === 0) return 0;
      const { perSecond, coreShare } = await measure(run, wrk, shop, race, undefined);
      shares.push(coreShare);
      return perSecond;
    };
    contenders.push({ name, measure: once });
  }
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
  for (const race of racesOf(shops, run.folder, run.profile.name)) {
    await whileRunning((running) => hold(run, wrk, race, running));
  }
}
