/**
 * Buyers and operators of a simulation: what they ask, and that they ask again when they hear nothing. What they learn
 * goes to the auditor. They outlive the process they talk to.
 */
import type { OrderOutcome } from '#dist/acceptor/order-outcomes.js';
import type { SaleDefinition } from '#dist/sale/schema.js';
import type { Auditor } from './auditor.js';
import type { PlaceAsk, SkuName, Told } from './known.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { World } from './world.js';

export const buyers = ['u-1', 'u-2', '雷鸟', 'b'.repeat(64)];
const keys = ['k', 'key-2', 'k'.repeat(64)];
const skuIds = ['a', 'b', 'c'];
export const saleIds = ['now', 'later'];

interface KeyedRestock {
  readonly sale: string;
  readonly sku: string;
  readonly quantity: number;
  readonly key: string;
  settled: boolean;
}

export class Clients {
  readonly #world: World;
  readonly #auditor: Auditor;
  readonly definitions = new Map<string, SaleDefinition>();
  readonly #asks: PlaceAsk[] = [];
  readonly #restocks: KeyedRestock[] = [];
  /** Replacements whose end nobody has heard of; until then nobody orders from the sale. */
  readonly #replacing = new Map<string, SaleDefinition>();
  #restockKeys = 0;
  /** Asked and not yet answered. */
  underWay = 0;

  constructor(world: World, auditor: Auditor) {
    this.#world = world;
    this.#auditor = auditor;
  }

  #definition(startsInMs: number, nowMs: number): SaleDefinition {
    const world = this.#world;
    const skus = skuIds.slice(0, 1 + world.below(3)).map((sku) => {
      const stock = world.pick([0, 1, 3, 10, 40]);
      return world.chance(0.6) ? { sku, stock, limitPerBuyer: 1 + world.below(4) } : { sku, stock };
    });
    const startsAt = new Date(nowMs + startsInMs).toISOString();
    const endsAt = new Date(nowMs + startsInMs + world.pick([2_000, 20_000, 3_600_000])).toISOString();
    const holdSeconds = world.pick([0, 1, 1, 2, 5]);
    return { startsAt, holdSeconds, skus, ...(world.chance(0.5) ? { endsAt } : {}) };
  }

  /** Puts the sales of a simulation, until it is certain that they are there. */
  async open(process: SimulatedProcess): Promise<void> {
    for (const [i, id] of saleIds.entries()) {
      const definition = this.#definition(i * 3_000, process.nowMs);
      const outcome = await process.control.putSale(id, definition);
      if (!outcome.ok) throw new Error(`the first sale was refused: ${outcome.code}`);
      this.#know(id, definition);
    }
  }

  #know(id: string, definition: SaleDefinition): void {
    this.definitions.set(id, definition);
    this.#auditor.sale(id, definition);
  }

  /** Whether what is sold in a sale is known. */
  knows(sale: string): boolean {
    return !this.#replacing.has(sale);
  }

  /** Somebody asks for something, and hears of it later or never. */
  ask(process: SimulatedProcess): void {
    const world = this.#world;
    const roll = world.below(100);
    if (roll < 50) this.#run(this.#place(process));
    else if (roll < 62) this.#run(this.#step(process, 'confirm'));
    else if (roll < 70) this.#run(this.#step(process, 'cancel'));
    else if (roll < 80) this.#run(this.#step(process, 'read'));
    else if (roll < 90) this.#run(this.#restock(process));
    else if (roll < 95) this.#run(this.#control(process));
    else this.#run(this.#replace(process));
  }

  /** Every doubt about a sale's definition is ended, so that it can be judged. */
  settleReplacements(process: SimulatedProcess): void {
    for (const [id, definition] of this.#replacing) this.#run(this.#put(process, id, definition));
  }

  #run(asked: Promise<void>): void {
    this.underWay += 1;
    void asked.finally(() => {
      this.underWay -= 1;
    });
  }

  /** What a call to the process comes to for whoever made it. */
  async #hear<T>(process: SimulatedProcess, call: Promise<T>): Promise<Told<T>> {
    // Whoever hears nothing of a process that has gone asks the next one.
    const told = await Promise.race([call, process.gone]);
    return told === 'gone' ? 'lost' : (told as T);
  }

  async #place(process: SimulatedProcess): Promise<void> {
    const ask = this.#nextAsk();
    if (ask === undefined) return;
    const attempt = this.#auditor.sends(ask, process.control.sale(ask.sale)!.phase, process.nowMs);
    // Who goes away before the answer comes never learns of it.
    const leaves = this.#world.chance(0.1);
    const outcome = await this.#hear(process, process.desk.place(ask));
    this.#auditor.placed(attempt, leaves ? 'lost' : outcome, process.nowMs);
  }

  #nextAsk(): PlaceAsk | undefined {
    const world = this.#world;
    const again = this.#asks.length > 0 && world.chance(0.35);
    const ask = again ? world.pick(this.#asks) : this.#newAsk();
    if (ask === undefined || !this.knows(ask.sale) || this.#skuOf(ask) === undefined) return undefined;
    if (!again && ask.idempotencyKey !== undefined) this.#asks.push(ask);
    return ask;
  }

  #newAsk(): PlaceAsk | undefined {
    const world = this.#world;
    const sale = world.pick(saleIds);
    const sku = world.pick(skuIds);
    const ask = { sale, sku, buyer: world.pick(buyers), quantity: world.pick([1, 1, 1, 2, 3]) };
    return world.chance(0.6) ? { ...ask, idempotencyKey: world.pick(keys) } : ask;
  }

  #skuOf({ sale, sku }: SkuName): object | undefined {
    return this.definitions.get(sale)?.skus.find((one) => one.sku === sku);
  }

  async #step(process: SimulatedProcess, step: 'confirm' | 'cancel' | 'read'): Promise<void> {
    const ids = this.#auditor.orderIds;
    if (ids.length === 0) return;
    // The newest are the ones that something still happens to.
    const id = this.#world.chance(0.6) ? ids.at(-1)! : this.#world.pick(ids);
    const asked = this.#auditor.asks(step, id, process.nowMs);
    const call: Promise<OrderOutcome> = process.desk[step](id);
    this.#auditor.answered(asked, await this.#hear(process, call), process.nowMs);
  }

  async #restock(process: SimulatedProcess): Promise<void> {
    const world = this.#world;
    const open = this.#restocks.filter(({ settled, sale }) => !settled && this.knows(sale));
    if (open.length > 0 && world.chance(0.5)) {
      await this.#restockKeyed(process, world.pick(open));
      return;
    }
    const sale = world.pick(saleIds);
    const sku = world.pick(skuIds);
    const quantity = world.pick([1, 2, 5, -1, -3]);
    if (!this.knows(sale) || this.#skuOf({ sale, sku }) === undefined) return;
    this.#auditor.restocks({ sale, sku }, quantity);
    if (world.chance(0.5)) {
      const restock = { sale, sku, quantity, key: `restock-${this.#restockKeys++}`, settled: false };
      this.#restocks.push(restock);
      await this.#restockKeyed(process, restock);
      return;
    }
    const told = await this.#hear(process, process.control.restock(sale, sku, quantity));
    this.#auditor.restocked({ sale, sku }, quantity, becameOf(told));
  }

  async #restockKeyed(process: SimulatedProcess, restock: KeyedRestock): Promise<void> {
    const { sale, sku, quantity, key } = restock;
    const told = await this.#hear(process, process.control.restock(sale, sku, quantity, key));
    // Another try of it may have been answered meanwhile. One refusal says nothing of the others.
    if (restock.settled || told === 'lost' || !told.ok) return;
    restock.settled = true;
    this.#auditor.restocked({ sale, sku }, quantity, 'done');
  }

  async #control(process: SimulatedProcess): Promise<void> {
    const { control } = process;
    const sale = this.#world.pick(saleIds);
    const roll = this.#world.below(10);
    const to = roll < 4 ? 'pause' : roll < 9 ? 'resume' : 'end';
    const askedAt = this.#auditor.controls(sale, to);
    const told = await this.#hear(process, control[`${to}Sale`](sale));
    if (told !== 'lost' && told.ok) this.#auditor.controlled(sale, to, askedAt);
  }

  async #replace(process: SimulatedProcess): Promise<void> {
    const id = saleIds[1]!;
    const begun = this.#replacing.get(id);
    if (begun === undefined && this.#auditor.hasTries(id)) return;
    const definition = begun ?? this.#definition(1_000 + this.#world.below(4_000), process.nowMs);
    await this.#put(process, id, definition);
  }

  async #put(process: SimulatedProcess, id: string, definition: SaleDefinition): Promise<void> {
    this.#replacing.set(id, definition);
    const told = await this.#hear(process, process.control.putSale(id, definition));
    if (this.#replacing.get(id) !== definition || told === 'lost') return;
    if (told.ok) this.#know(id, definition);
    // It opened as it was; anything else may have been half done, and is finished by asking again.
    else if (told.code !== 'sale_open') return;
    this.#replacing.delete(id);
  }
}

function becameOf(told: Told<{ ok: true } | { ok: false; code: string }>): 'done' | 'nothing' | 'doubtful' {
  if (told === 'lost') return 'doubtful';
  if (told.ok) return 'done';
  return ['timeout', 'shard_recovering', 'internal'].includes(told.code) ? 'doubtful' : 'nothing';
}
