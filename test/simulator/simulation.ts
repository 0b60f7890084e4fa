/**
 * One simulation: a seed, a world, clients, faults between any two steps, and in the end, when all is mended and quiet, a
 * reckoning. Same seed, same run, to the last byte.
 */
import { rmSync } from 'node:fs';
import type { OrderPage } from '#dist/acceptor/order-desk.js';
import { Auditor } from './auditor.js';
import { buyers, Clients, saleIds } from './clients.js';
import { tornBytesMax } from './faulty-store.js';
import { settleMicrotasks } from './hand-turned-loop.js';
import { SimulatedProcess } from './simulated-process.js';
import { World } from './world.js';

export interface Findings {
  readonly seed: number;
  /** Promises that were broken, a sentence each. */
  readonly violations: readonly string[];
  /** Questions, faults that happened, and SKUs that were sold out: so that a run that did nothing is not taken for one that found nothing. */
  readonly counts: Readonly<Record<string, number>>;
  /** By kind: how often clients heard it. */
  readonly answers: Readonly<Record<string, number>>;
}

const stepsMin = 150;
const stepsMax = 500;
const underWayMax = 24;
/** So many slots that the clients cannot fill them, with what operators send beside them. */
const inFlightRoomy = 64;
/** Turns after which something that waits for nothing but turns must have come. */
const patienceTurns = 2_000;
/** Units that nobody bought, of one SKU, are fewer: a stock is 40 at most, and a few restocks add 5 each. */
const restUnitsMax = 500;

/**
 * Runs a simulation in a folder of its own, which is removed afterwards.
 *
 * @param trace hears of every answer and every fault, for whoever looks into a run
 */
export async function simulate(
  seed: number,
  path: string,
  trace: (event: string) => void = () => undefined,
): Promise<Findings> {
  const simulation = new Simulation(seed, path, trace);
  try {
    await simulation.run();
  } catch (error) {
    simulation.violations.push(`the engine failed: ${(error as Error).stack}`);
  } finally {
    await simulation.stop();
    rmSync(path, { recursive: true, force: true });
  }
  return { seed, violations: simulation.violations, counts: simulation.counts, answers: simulation.answers };
}

class Simulation {
  readonly #world: World;
  readonly #auditor: Auditor;
  readonly #clients: Clients;
  readonly #inFlightMax: number;
  readonly counts: Record<string, number> = {};
  #process: SimulatedProcess | undefined = undefined;
  /** Who buys when all others are through: everyone once, so that no limit stands in his way. */
  readonly #lastBuyers: string[] = [];

  constructor(seed: number, path: string, trace: (event: string) => void) {
    this.#world = new World(seed, path, (failure) => this.#count(failure));
    this.#inFlightMax = this.#world.pick([8, 16, inFlightRoomy]);
    this.#auditor = new Auditor(this.#inFlightMax === inFlightRoomy, trace);
    this.#clients = new Clients(this.#world, this.#auditor);
  }

  get answers(): Readonly<Record<string, number>> {
    return this.#auditor.answers;
  }

  get violations(): string[] {
    return this.#auditor.violations;
  }

  async run(): Promise<void> {
    const world = this.#world;
    const process = await this.#start();
    await this.#until(this.#clients.open(process));
    const steps = stepsMin + world.below(stepsMax - stepsMin);
    // The first broken promise is the one to look at; what follows from it is noise.
    for (let i = 0; i < steps && this.violations.length === 0; i++) await this.#step();
    if (this.violations.length === 0) await this.#conclude();
  }

  async stop(): Promise<void> {
    await this.#process?.kill();
  }

  #count(what: string): void {
    if (what !== 'asks') this.#auditor.hears(`happened: ${what}`);
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  async #start(): Promise<SimulatedProcess> {
    this.#process = await SimulatedProcess.start(this.#world, this.#inFlightMax);
    return this.#process;
  }

  async #step(): Promise<void> {
    const world = this.#world;
    const process = this.#process!;
    const roll = world.below(100);
    if (roll < 35) this.#ask(process);
    else if (roll < 60) process.turnShard(world.below(world.shards));
    else if (roll < 85) process.turn();
    else if (roll < 95) world.pass(world.pick([1, 5, 30, 200, 1_500]));
    else await this.#fault(process);
    await settleMicrotasks();
    this.#look();
  }

  #ask(process: SimulatedProcess): void {
    if (this.#clients.underWay >= underWayMax) return;
    this.#count('asks');
    this.#clients.ask(process);
  }

  async #fault(process: SimulatedProcess): Promise<void> {
    const world = this.#world;
    const shard = world.below(world.shards);
    const roll = world.below(10);
    if (!process.isUp(shard)) {
      this.#count('shard restarts');
      await process.restartShard(shard);
      return;
    }
    if (roll < 2) {
      this.#count('shard crashes');
      process.crashShard(shard);
    } else if (roll < 6) {
      const fault = world.pick(['before', 'after', 'torn'] as const);
      const store = process.storeOf(shard);
      store.tornBytes = 1 + world.below(tornBytesMax);
      store.armed = fault;
    } else if (roll < 7) {
      process.recordFault = true;
    } else {
      await this.#restart(process);
    }
  }

  async #restart(process: SimulatedProcess): Promise<void> {
    const world = this.#world;
    this.#count('kills');
    await process.kill();
    world.pass(world.pick([0, 10, 3_000]));
    // While nobody is looking, somebody may set the machine's clock.
    if (world.chance(0.3)) {
      this.#count('clock jumps');
      world.wallMs += world.pick([-3_600_000, -5_000, -500, 500, 5_000]);
    }
    await this.#start();
  }

  /** Looks at what anybody can see. */
  #look(): void {
    const process = this.#process!;
    for (const defect of process.defects) {
      this.violations.push(`a defect: ${defect instanceof Error ? defect.stack : String(defect)}`);
    }
    for (const id of saleIds) {
      if (!this.#clients.knows(id)) continue;
      for (const line of process.control.sale(id)?.skus ?? []) this.#auditor.sees(id, line.sku, line);
    }
  }

  /** Turns everything until a promise settles. */
  async #until<T>(promise: Promise<T>, passMs = 1): Promise<T> {
    let done = false;
    void promise
      .catch(() => undefined)
      .then(() => {
        done = true;
      });
    for (let i = 0; !done; i++) {
      if (i > patienceTurns) throw new Error('something was asked and never answered');
      await this.#turnAll(passMs);
    }
    return await promise;
  }

  async #turnAll(passMs = 1): Promise<void> {
    const process = this.#process!;
    process.turn();
    for (let shard = 0; shard < this.#world.shards; shard++) process.turnShard(shard);
    this.#world.pass(passMs);
    await settleMicrotasks();
  }

  /** Mends everything, lets everybody hear his answer, and has the whole of it judged. */
  async #conclude(): Promise<void> {
    await this.#restart(this.#process!);
    this.#clients.settleReplacements(this.#process!);
    for (let i = 0; this.#clients.underWay > 0; i++) {
      if (i > patienceTurns) throw new Error('a client was never answered');
      await this.#turnAll();
    }
    this.#look();
    await this.#reckon();
    await this.#sellTheRest();
    // Every hold has run out by then.
    this.#world.pass(10_000);
    await this.#turnAll();
    await this.#reckon();
    for (const id of saleIds) {
      for (const line of this.#process!.control.sale(id)!.skus) {
        if (line.held !== 0) this.violations.push(`${id}/${line.sku}: ${line.held} units are held for ever`);
      }
    }
    await this.#process!.close();
    const counts = await this.#start();
    this.#look();
    await this.#reckon();
    await counts.close();
    this.#process = undefined;
  }

  /** Counts the orders beside the counters, in a moment in which no hold runs out. */
  async #reckon(): Promise<void> {
    await this.#turnAll(0);
    const process = this.#process!;
    for (const id of saleIds) {
      const orders = [];
      for (const buyer of [...buyers, ...this.#lastBuyers]) {
        const page = await this.#until(process.desk.list(id, buyer), 0);
        if (!page.ok) throw new Error(`a listing was refused: ${page.code}`);
        orders.push(...(page as OrderPage).orders);
      }
      const lines = new Map(process.control.sale(id)!.skus.map((line) => [line.sku, line]));
      this.#auditor.concludes(id, orders, lines, process.nowMs);
    }
  }

  /** What is left can be bought, to the last unit. */
  async #sellTheRest(): Promise<void> {
    const process = this.#process!;
    for (const id of saleIds) {
      await this.#until(process.control.resumeSale(id));
      for (const { sku, limitPerBuyer } of process.control.sale(id)!.skus) {
        await this.#sellOut(id, sku, limitPerBuyer ?? restUnitsMax);
      }
    }
  }

  /** Time stands still meanwhile, so that no hold gives anything back, and no sale ends. */
  async #sellOut(sale: string, sku: string, limit: number): Promise<void> {
    const process = this.#process!;
    for (let sold = 0; sold < restUnitsMax; ) {
      const { phase, skus } = process.control.sale(sale)!;
      const { available } = skus.find((line) => line.sku === sku)!;
      if (phase !== 'open') return;
      if (available === 0) {
        if (sold > 0) this.#count('SKUs sold out');
        return;
      }
      const buyer = `last-${this.#lastBuyers.length}`;
      this.#lastBuyers.push(buyer);
      const quantity = 1 + this.#world.below(Math.min(available, limit));
      const ask = { sale, sku, buyer, quantity };
      const attempt = this.#auditor.sends(ask, phase, process.nowMs);
      const outcome = await this.#until(process.desk.place(ask), 0);
      this.#auditor.placed(attempt, outcome, process.nowMs);
      if (!outcome.ok) {
        this.violations.push(`${sale}/${sku}: ${available} left, and ${quantity} not sold: ${outcome.code}`);
        return;
      }
      sold += quantity;
    }
    this.violations.push(`${sale}/${sku}: ${restUnitsMax} units sold, and some are left`);
  }
}
