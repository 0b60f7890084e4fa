/**
 * What the auditor of a simulation knows: sales, orders that somebody was told of, and tries whose end nobody may have
 * heard. Nothing in it comes from inside the engine.
 */
import type { OrderOutcome } from '#dist/acceptor/order-outcomes.js';
import type { Order } from '#dist/sale/order.js';
import type { SaleDefinition } from '#dist/sale/schema.js';

export interface SkuName {
  readonly sale: string;
  readonly sku: string;
}

export interface PlaceAsk extends SkuName {
  readonly buyer: string;
  readonly quantity: number;
  readonly idempotencyKey?: string;
}

/** What a client was told, or `lost` where he never hears. */
export type Told<T> = T | 'lost';

/** Something that was sent and may have been decided at any moment until its answer came. */
export interface Asked {
  /** When it was sent: as the how-manieth event that the auditor heard of, and ms since the epoch. */
  readonly sentAt: number;
  readonly sentAtMs: number;
  /** The fewest units that restocks had added for certain at any moment since. */
  addedLeast: number;
}

/** One try of an order: sent, and perhaps answered. */
export interface Try extends Asked {
  readonly ask: PlaceAsk;
  /** Sequence of the newest order of the SKU that somebody knew of when it was sent. */
  readonly sequenceBefore: number;
  /** Whether anybody could see then that the sale had ended. */
  readonly ended: boolean;
  answered: boolean;
  /** Whether it may have made an order that nobody has been told of. */
  doubtful: boolean;
}

export interface KnownOrder {
  readonly facts: Order;
  readonly key: string | undefined;
  status: Order['status'];
  confirmTried: boolean;
  cancelTried: boolean;
  /** The event since which its units were back for certain; undefined as long as they may be taken. */
  freedAt: number | undefined;
}

export interface KnownSku {
  readonly stock: number;
  readonly limit: number;
  newestSequence: number;
  readonly idBySequence: Map<number, string>;
  /** Units that restocks added for certain, and what further ones may have, either way. */
  added: number;
  maybeAdded: number;
  maybeWithdrawn: number;
}

export interface KnownSale {
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly holdMs: number;
  readonly skus: Map<string, KnownSku>;
  /** The event until which it may have been paused. */
  pausedUntil: number;
  /** The event with which somebody last asked for a pause. */
  pauseAskedAt: number;
  endAsked: boolean;
}

const never = Number.NEGATIVE_INFINITY;

export class Known {
  readonly #sales = new Map<string, KnownSale>();
  readonly orders = new Map<string, KnownOrder>();
  readonly tries: Try[] = [];
  /** Everything whose answer has not come. */
  readonly #open = new Map<Asked, SkuName>();
  /** Events so far. */
  event = 0;

  sale(id: string): KnownSale {
    return this.#sales.get(id)!;
  }

  sku({ sale, sku }: SkuName): KnownSku {
    return this.sale(sale).skus.get(sku)!;
  }

  /** A sale as it is sold from now on. */
  define(id: string, { startsAt, endsAt, holdSeconds, skus }: SaleDefinition): void {
    const before = this.#sales.get(id);
    this.#sales.set(id, {
      startsAtMs: Date.parse(startsAt!),
      endsAtMs: endsAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(endsAt),
      holdMs: holdSeconds! * 1_000,
      skus: new Map(
        skus.map(({ sku, stock, limitPerBuyer }) => [
          sku,
          {
            ...{ stock, limit: limitPerBuyer ?? Number.POSITIVE_INFINITY, newestSequence: 0 },
            ...{ idBySequence: new Map(), added: 0, maybeAdded: 0, maybeWithdrawn: 0 },
            // A restock nobody has heard of may yet come to the new definition: whoever asked for it asks again.
            ...doubtsOf(before?.skus.get(sku)),
          },
        ]),
      ),
      pausedUntil: before?.pausedUntil ?? never,
      pauseAskedAt: before?.pauseAskedAt ?? never,
      endAsked: before?.endAsked ?? false,
    });
  }

  /** Something is sent that may take units of a SKU. */
  sent(name: SkuName, nowMs: number): Asked {
    this.event += 1;
    return { sentAt: this.event, sentAtMs: nowMs, addedLeast: this.sku(name).added };
  }

  /** Follows something that was sent, until `close`. */
  follow(asked: Asked, name: SkuName): void {
    this.#open.set(asked, name);
  }

  close(asked: Asked): void {
    this.#open.delete(asked);
  }

  /** A restock is certain. */
  add(name: SkuName, quantity: number): void {
    const sku = this.sku(name);
    sku.added += quantity;
    for (const [asked, { sale, sku: id }] of this.#open) {
      if (sale === name.sale && id === name.sku) asked.addedLeast = Math.min(asked.addedLeast, sku.added);
    }
  }

  /** The tries of the same order: all with the same key, or the one without. */
  triesOf(attempt: Try): Try[] {
    const { sale, buyer, idempotencyKey } = attempt.ask;
    if (idempotencyKey === undefined) return [attempt];
    return this.tries.filter(
      ({ ask }) => ask.sale === sale && ask.buyer === buyer && ask.idempotencyKey === idempotencyKey,
    );
  }

  deadlineOf({ facts }: KnownOrder): number {
    const { holdMs } = this.sale(facts.sale);
    return holdMs === 0 ? Number.POSITIVE_INFINITY : facts.createdAtMs + holdMs;
  }

  /** Units of the orders of a SKU that `counts` picks. */
  unitsOf({ sale, sku }: SkuName, counts: (order: KnownOrder) => boolean): number {
    let units = 0;
    for (const known of this.orders.values()) {
      const { facts } = known;
      if (facts.sale === sale && facts.sku === sku && counts(known)) units += facts.quantity;
    }
    return units;
  }

  /** Units of tries that may have made an order nobody has been told of. */
  doubtfulUnits({ sale, sku }: SkuName, counts: (attempt: Try) => boolean): number {
    return this.tries
      .filter((one) => one.doubtful && one.ask.sale === sale && one.ask.sku === sku && counts(one))
      .reduce((units, one) => units + one.ask.quantity, 0);
  }
}

function doubtsOf(line: KnownSku | undefined): Partial<KnownSku> {
  return line === undefined ? {} : { maybeAdded: line.maybeAdded, maybeWithdrawn: line.maybeWithdrawn };
}

/** An ask for people. */
export function text({ sale, sku, buyer, quantity, idempotencyKey }: PlaceAsk): string {
  return `${buyer} (${idempotencyKey ?? 'no key'}) ordering ${quantity} × ${sale}/${sku}`;
}

/** An outcome for people. */
export function became(outcome: Told<OrderOutcome>): string {
  if (outcome === 'lost') return outcome;
  if (!outcome.ok) return outcome.code;
  const { orderId, status, reacquired } = outcome.order;
  return `${outcome.replayed ? 'again ' : ''}${orderId}, ${status}${reacquired ? ' late' : ''}`;
}
