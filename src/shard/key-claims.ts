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
  /**
   * Which incarnation of that shard made its table whole, or 0 while one rebuilds it. Between two equal answers the table
   * has every key the shard ever gave away. A shard that is gone leaves its table as it was.
   */
  readonly wholeSince: () => number;
  readonly isOpen: () => boolean;
}

export class KeyClaims {
  readonly #own: KeyTable;
  readonly #foreign: readonly ForeignKeys[];

  constructor(own: KeyTable, foreign: readonly ForeignKeys[]) {
    this.#own = own;
    this.#foreign = foreign;
  }

  /**
   * Whether another shard has a key already, for another SKU of the sale. To be asked before `claim`: a key that is taken
   * back leaves its bytes behind, so that is for the race only.
   */
  taken(query: KeyQuery, sale: ShardSale): Outcome {
    return sale.spread ? this.#lookElsewhere(query) : Outcome.done;
  }

  /**
   * Adds a key that is not taken. Two shards may try the same key at the same time: each publishes first and looks
   * second, so at least one of them sees the other and steps back. Where both do, nobody has the key: so who steps back
   * says that it is worth asking again. A third that looks before they do is told of a conflict: its key was in use.
   */
  claim(query: KeyQuery, reference: number, sale: ShardSale): Outcome {
    this.#own.insert(query, reference);
    const lost = this.taken(query, sale);
    if (lost === Outcome.done) return lost;
    this.#own.retractLast();
    return lost === Outcome.idempotencyConflict ? Outcome.keyContended : lost;
  }

  #lookElsewhere(query: KeyQuery): Outcome {
    for (const { keys, wholeSince, isOpen } of this.#foreign) {
      const before = wholeSince();
      // A shard that is gone may have given the key to an order that its store never got.
      if (before !== 0 && keys.find(query) !== -1) {
        return isOpen() ? Outcome.idempotencyConflict : Outcome.shardRecovering;
      }
      if (before === 0 || wholeSince() !== before) return Outcome.shardRecovering;
    }
    return Outcome.done;
  }
}
