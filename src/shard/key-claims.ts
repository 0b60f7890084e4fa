/**
 * Idempotency keys that no two shards give away: a sale whose SKUs are on several shards has one scope for its keys.
 * Owned by the shard's thread; looks into the tables of the others.
 */
import type { KeyQuery, KeyTable } from '../memory/key-table.js';
import { Outcome } from '../sale/outcome.js';
import type { ShardSale } from './state.js';

/** The key table of another shard. */
export interface ForeignKeys {
  readonly keys: KeyTable;
  /** Which incarnation of that shard is open, or 0 for none: its table is whole between two equal answers. */
  readonly incarnation: () => number;
}

export class KeyClaims {
  readonly #own: KeyTable;
  readonly #foreign: readonly ForeignKeys[];

  constructor(own: KeyTable, foreign: readonly ForeignKeys[]) {
    this.#own = own;
    this.#foreign = foreign;
  }

  /**
   * Adds a key, unless another shard has it for another SKU of the sale. Two shards may try the same key at the
   * same time: each publishes first and looks second, so at least one of them sees the other and steps back.
   */
  claim(query: KeyQuery, reference: number, sale: ShardSale): Outcome {
    // Looking comes first too: a key that was taken back leaves its bytes behind, so that is for the race only.
    const taken = sale.spread ? this.#lookElsewhere(query) : Outcome.done;
    if (taken !== Outcome.done) return taken;
    this.#own.insert(query, reference);
    const lost = sale.spread ? this.#lookElsewhere(query) : Outcome.done;
    if (lost !== Outcome.done) this.#own.retractLast();
    return lost;
  }

  #lookElsewhere(query: KeyQuery): Outcome {
    for (const { keys, incarnation } of this.#foreign) {
      const before = incarnation();
      if (before !== 0 && keys.find(query) !== -1) return Outcome.idempotencyConflict;
      if (before === 0 || incarnation() !== before) return Outcome.shardRecovering;
    }
    return Outcome.done;
  }
}
