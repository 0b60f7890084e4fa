/** Which servers are compared in a closed loop, at what, and what is wanted of them. */
import { limits } from '#dist/config.js';
import type { Profile } from '../harness/profile.js';
import { asking, bare, later, leiniao, piscina, postgres, receipts, redis } from './contenders.js';
import { type LeiniaoOptions, startLeiniao } from './leiniao.js';
import type { Shop, StartShop } from './shop.js';
import type { Shops } from './shops.js';

type Goal = readonly [of: string, to: string, target?: number];

/** What is measured: which servers, in which order, and what is wanted of them. */
export interface Race {
  readonly name: string;
  readonly sale: 'bench' | 'sold-out';
  readonly connections: number;
  /** In how many ways orders are written, one after the other: as by so many apps. */
  readonly ways: number;
  /** In the order of their turns: servers that run, and how those are started that are fresh in it. Undefined: not installed. */
  readonly contenders: Readonly<Record<string, Shop | StartShop | undefined>>;
  readonly goals: readonly Goal[];
}

/** Connections: of a proxy in front, and of a crowd. */
const few = 64;
const many = 512;
/** More ways of writing than leiniao keeps in mind. */
const waysInTurn = 16 * limits.orderShapesMax;

function accepted(
  durability: 'memory' | 'fsync',
  connections: number,
  contenders: Race['contenders'],
  ...goals: Goal[]
): Race {
  return {
    name: `accepted, ${durability}, ${connections} connections`,
    ...{ sale: 'bench', connections, ways: 1, contenders, goals },
  };
}

function starterOf(folder: string, options: LeiniaoOptions): StartShop {
  return (running) => startLeiniao(running, folder, options);
}

/** Signing orders beside not signing them, with nobody else. */
function signed(
  folder: string,
  profile: Profile['name'],
  durability: 'memory' | 'fsync',
  connections: number,
): Race {
  const contenders = {
    [leiniao]: starterOf(folder, { durability, receipts: false, profile }),
    [receipts]: starterOf(folder, { durability, receipts: true, profile }),
  };
  const race = accepted(durability, connections, contenders, [receipts, leiniao]);
  return { ...race, name: `receipts: ${race.name}` };
}

/** The same with orders that leiniao hardly ever recognises by the way they are written. */
function inManyWays(race: Race): Race {
  return { ...race, name: `written in ${waysInTurn} ways: ${race.name}`, ways: waysInTurn };
}

function soldOut(connections: number, contenders: Race['contenders'], ...goals: Goal[]): Race {
  return {
    name: `sold out, ${connections} connections`,
    ...{ sale: 'sold-out', connections, ways: 1, contenders, goals },
  };
}

/** Without those that a quick run shows once: what is slow, and what stands between leiniao and the ceiling. */
function withoutRepeated(race: Race): Race {
  const contenders = { ...race.contenders };
  for (const name of [piscina, postgres, later, asking]) delete contenders[name];
  return { ...race, contenders };
}

/** @param folder for the stores of leiniao */
export function racesOf(shops: Shops, folder: string, profile: Profile['name']): readonly Race[] {
  const memory: Race['contenders'] = {
    [bare]: shops.bare,
    [leiniao]: starterOf(folder, { durability: 'memory', receipts: false, profile }),
    [later]: shops.later,
    [asking]: shops.asking,
    [redis]: shops.redis,
    [piscina]: shops.piscina,
    [postgres]: shops.postgres,
  };
  const fsync: Race['contenders'] = {
    [bare]: shops.bare,
    [leiniao]: starterOf(folder, { durability: 'fsync', receipts: false, profile }),
    [redis]: shops.redisFsync,
    [postgres]: shops.postgresFsync,
  };
  const memoryGoals: Goal[] = [
    [leiniao, bare, 0.92],
    [later, bare],
    [asking, later],
    [asking, bare],
    [leiniao, asking],
    [leiniao, redis, 3.5],
    [leiniao, piscina],
    [leiniao, postgres],
  ];
  const memoryFew = accepted('memory', few, memory, ...memoryGoals);
  const memoryMany = accepted('memory', many, memory, ...memoryGoals);
  const fsyncFew = accepted('fsync', few, fsync, [leiniao, bare], [leiniao, redis], [leiniao, postgres]);
  const fsyncMany = accepted(
    ...(['fsync', many, fsync] as const),
    ...([
      [leiniao, bare, 0.75],
      [leiniao, redis, 3.5],
      [leiniao, postgres],
    ] as const),
  );
  // A refusal needs no other thread: what is sold out shows in shared memory.
  const refusing = { ...memory };
  delete refusing[later];
  delete refusing[asking];
  const soldOutFew = soldOut(few, refusing, [leiniao, bare, 0.97], [leiniao, redis]);
  const soldOutMany = soldOut(many, refusing, [leiniao, bare, 0.97], [leiniao, redis]);
  const memoryInManyWays = inManyWays(
    accepted('memory', few, { [bare]: memory[bare], [leiniao]: memory[leiniao] }, [leiniao, bare]),
  );
  switch (profile) {
    case 'smoke':
      // Nothing is measured: so every server can show at once that it reads all ways right.
      return [inManyWays(memoryFew), fsyncFew, soldOutFew];
    case 'quick':
      return [memoryFew, ...[memoryMany, fsyncMany, soldOutFew].map(withoutRepeated), memoryInManyWays];
    case 'full':
      return [
        ...[memoryFew, memoryMany, fsyncFew, fsyncMany, soldOutFew, soldOutMany],
        memoryInManyWays,
        ...[few, many].flatMap((connections) => [
          signed(folder, profile, 'memory', connections),
          signed(folder, profile, 'fsync', connections),
        ]),
      ];
  }
}
