/** Orders and refusals per second in a closed loop, contest by contest, each server beside its neighbours in the list. */
import type { BenchRun, Contender } from '../harness/bench.js';
import { type Shop, unitsTaken } from './shop.js';
import type { Shops } from './shops.js';
import { runLoad } from './wrk.js';

type Goal = readonly [of: string, to: string, target?: number];

/** What is measured: which servers, in which order, and what is wanted of them. */
interface Race {
  readonly name: string;
  readonly sale: 'bench' | 'sold-out';
  readonly connections: number;
  readonly shops: Readonly<Record<string, Shop | undefined>>;
  readonly goals: readonly Goal[];
}

/** Connections: of a proxy in front, and of a crowd. */
const few = 64;
const many = 512;

/** Seconds of one load: shorter than the profile's, because there are so many contenders. */
const loadSeconds = { smoke: 0.25, quick: 0.6, full: 1.5 } as const;

function accepted(
  durability: 'memory' | 'fsync',
  connections: number,
  shops: Race['shops'],
  ...goals: Goal[]
): Race {
  return {
    name: `accepted, ${durability}, ${connections} connections`,
    ...{ sale: 'bench', connections, shops, goals },
  };
}

function soldOut(connections: number, shops: Race['shops'], ...goals: Goal[]): Race {
  return {
    name: `sold out, ${connections} connections`,
    ...{ sale: 'sold-out', connections, shops, goals },
  };
}

const bare = 'bare uWebSockets.js';
const redis = 'Fastify + Redis';
const piscina = 'uWebSockets.js + Piscina';
const postgres = 'Fastify + PostgreSQL';

function racesOf(shops: Shops, profile: BenchRun['profile']['name']): readonly Race[] {
  const memory = {
    [bare]: shops.bare,
    leiniao: shops.memory,
    [redis]: shops.redis,
    [piscina]: shops.piscina,
    [postgres]: shops.postgres,
  };
  const fsync = {
    [bare]: shops.bare,
    leiniao: shops.fsync,
    [redis]: shops.redisFsync,
    [postgres]: shops.postgresFsync,
  };
  const receipts = 'leiniao with receipts';
  const memoryGoals: Goal[] = [
    ['leiniao', bare, 0.92],
    ['leiniao', redis, 3.5],
    ['leiniao', piscina],
    ['leiniao', postgres],
  ];
  const memoryFew = accepted('memory', few, memory, ...memoryGoals);
  const memoryMany = accepted('memory', many, memory, ...memoryGoals);
  const fsyncFew = accepted(
    'fsync',
    few,
    fsync,
    ['leiniao', bare],
    ['leiniao', redis],
    ['leiniao', postgres],
  );
  const fsyncMany = accepted(
    ...(['fsync', many, fsync] as const),
    ...([
      ['leiniao', bare, 0.75],
      ['leiniao', redis, 3.5],
      ['leiniao', postgres],
    ] as const),
  );
  const soldOutFew = soldOut(few, memory, ['leiniao', bare, 0.97], ['leiniao', redis]);
  const soldOutMany = soldOut(many, memory, ['leiniao', bare, 0.97], ['leiniao', redis]);
  switch (profile) {
    case 'smoke':
      return [memoryFew, fsyncFew, soldOutFew];
    case 'quick':
      return [memoryFew, memoryMany, fsyncMany, soldOutFew];
    case 'full':
      return [
        ...[memoryFew, memoryMany, fsyncFew, fsyncMany, soldOutFew, soldOutMany],
        ...[few, many].flatMap((connections) => [
          accepted('memory', connections, { leiniao: shops.memory, [receipts]: shops.memoryReceipts }, [
            receipts,
            'leiniao',
          ]),
          accepted('fsync', connections, { leiniao: shops.fsync, [receipts]: shops.fsyncReceipts }, [
            receipts,
            'leiniao',
          ]),
        ]),
      ].map((race) => (receipts in race.shops ? { ...race, name: `receipts: ${race.name}` } : race));
  }
}

let loads = 0;

/** Names that no buyer had before, in any load of this process. */
export function nextPrefix(): string {
  loads += 1;
  return `r${String(loads).padStart(3, '0')}-`;
}

/** One load. Rejects unless all answers were of the kind that was asked for, and as many units taken as orders accepted. */
async function measure(run: BenchRun, wrk: string, shop: Shop, race: Race, warmUp: boolean): Promise<number> {
  const { sale, connections } = race;
  const seconds = loadSeconds[run.profile.name];
  const before = await unitsTaken(shop, sale);
  const load = await runLoad({
    ...{ wrk, url: shop.url, connections, sale, prefix: nextPrefix() },
    seconds: warmUp ? seconds / 2 : seconds,
  });
  const taken = (await unitsTaken(shop, sale)) - before;
  const { answers, refusals, perSecond } = load;
  if (sale === 'sold-out') {
    if (refusals !== answers || taken !== 0) {
      throw new Error(
        `${race.name}: ${answers - refusals} of ${answers} answers were orders, ${taken} units taken`,
      );
    }
    return perSecond;
  }
  if (refusals !== 0) throw new Error(`${race.name}: ${refusals} of ${answers} answers were refusals`);
  // One order per connection may have been made whose answer wrk did not wait for.
  if (taken < answers || taken > answers + connections) {
    throw new Error(`${race.name}: ${taken} units were taken, but ${answers} orders accepted`);
  }
  return perSecond;
}

export async function closedLoop(run: BenchRun, wrk: string, shops: Shops): Promise<void> {
  for (const race of racesOf(shops, run.profile.name)) {
    const contenders = Object.entries(race.shops).flatMap(([name, shop]): Contender[] => {
      if (shop === undefined) return [];
      const once = async (round: number) => {
        // Nothing that is not measured needs to be warm.
        if (round === 0 && !run.profile.measures) return 0;
        return measure(run, wrk, shop, race, round === 0);
      };
      return [{ name, measure: once }];
    });
    await run.contest({
      name: race.name,
      unit: race.sale === 'bench' ? 'orders/s' : 'refusals/s',
      better: 'higher',
      contenders,
      ratios: race.goals.map(([of, to, target]) => ({ of, to, ...(target === undefined ? {} : { target }) })),
    });
  }
}
