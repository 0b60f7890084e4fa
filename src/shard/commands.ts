/**
 * The shard's commands: each reads one request record, decides, and where it accepts writes the journal entry
 * and applies it. Synchronous, deterministic (time is an input), and nothing here throws on an expected outcome.
 * The shard's thread owns it.
 */
import { assert, unreachable } from '../assert.js';
import { limits } from '../config.js';
import type { KeyQuery, KeyTable } from '../memory/key-table.js';
import { requestLayout } from '../memory/layout.js';
import { newReply, Opcode, type Reply } from '../memory/records.js';
import { decide } from '../sale/decision.js';
import { resultOfStep, Status, Step, targetOf } from '../sale/order-state.js';
import { Outcome } from '../sale/outcome.js';
import { Phase, phaseAt, type SaleState } from '../sale/phase.js';
import type { Batch } from '../store/batch.js';
import { bornConfirmed, EntryType, entryTypeOf } from '../store/entry.js';
import {
  newKeyQuery,
  restockQuery,
  restockReference,
  type ShardSale,
  type ShardSku,
  type ShardState,
} from './state.js';

/** Requests that may be looked ahead at together. */
export const lanes = 32;

/** The key table of another shard. */
export interface ForeignKeys {
  readonly keys: KeyTable;
  /** Which incarnation of that shard is open, or 0 for none: its table is whole between two equal answers. */
  readonly incarnation: () => number;
}

/** Whether a reply may leave before the batch is committed: refusals of new orders promise nothing. */
export type Urgency = 'at once' | 'after commit';

const refusalOfStatus: Readonly<Record<Status, Outcome>> = {
  [Status.held]: Outcome.done,
  [Status.confirmed]: Outcome.orderConfirmed,
  [Status.cancelled]: Outcome.orderCancelled,
  [Status.expired]: Outcome.orderExpired,
};

export class Commands {
  readonly #state: ShardState;
  readonly #batch: Batch | undefined;
  readonly #durability: number;
  readonly #foreign: readonly ForeignKeys[];
  /** The answer to the command executed last. */
  readonly reply: Reply = newReply();
  /** Holds ended by their deadline so far. */
  expiredCount = 0;
  readonly #query = newKeyQuery();
  readonly #hashes = new Int32Array(lanes);
  /** By lane: the number of the sale that its hash is for; 0 for none. */
  readonly #hashedFor = new Int32Array(lanes);

  /** @param options.batch where entries go, or undefined when nothing is journalled */
  constructor(options: {
    state: ShardState;
    batch: Batch | undefined;
    durability: number;
    foreign: readonly ForeignKeys[];
  }) {
    this.#state = options.state;
    this.#batch = options.batch;
    this.#durability = options.durability;
    this.#foreign = options.foreign;
  }

  /** Hashes the buyer of the request that `execute` will get with the same lane. */
  lookAhead(lane: number, words: Int32Array, at: number): void {
    const sku = this.#state.skus[words[at + requestLayout.row]!];
    this.#hashedFor[lane] = 0;
    if (words[at + requestLayout.opcode] !== Opcode.place || sku === undefined) return;
    const buyerBytes = words[at + requestLayout.lengths]! & 0xff;
    const { number } = sku.sale;
    this.#hashes[lane] = this.#state.buyerHash(number, words, at + requestLayout.text, buyerBytes);
    this.#hashedFor[lane] = number;
  }

  /** Fetches what the look-ups of the first `count` lanes need. Changes nothing. */
  prefetch(count: number): void {
    this.#state.buyers.prefetch(this.#hashes, count);
  }

  /** Executes the request at word `at`, which was looked ahead at, and leaves the answer in `reply`. */
  execute(lane: number, words: Int32Array, doubles: Float64Array, at: number, nowMs: number): Urgency {
    const opcode = words[at + requestLayout.opcode] as Opcode;
    this.reply.row = words[at + requestLayout.row]!;
    switch (opcode) {
      case Opcode.place:
        return this.#place(lane, words, at, nowMs);
      case Opcode.confirm:
        this.#step(words[at + requestLayout.orderNumber]!, Step.confirm, nowMs);
        break;
      case Opcode.cancel:
        this.#step(words[at + requestLayout.orderNumber]!, Step.cancel, nowMs);
        break;
      case Opcode.read:
        this.#read(words[at + requestLayout.orderNumber]!);
        break;
      case Opcode.nextOfBuyer:
        this.#nextOfBuyer(words, at);
        break;
      case Opcode.restock:
        this.#restock(words, at, nowMs);
        break;
      case Opcode.define:
        this.#define(words, doubles, at);
        break;
      case Opcode.remove:
        this.#remove(words[at + requestLayout.row]!);
        break;
      case Opcode.control:
        this.#control(words, at);
        break;
      case Opcode.freeze:
        this.#freeze(words[at + requestLayout.saleNumber]!, nowMs);
        break;
      case Opcode.unfreeze:
        this.#unfreeze(words[at + requestLayout.saleNumber]!);
        break;
      default:
        unreachable(opcode);
    }
    return 'after commit';
  }

  #place(lane: number, words: Int32Array, at: number, nowMs: number): Urgency {
    const { reply } = this;
    const state = this.#state;
    const row = words[at + requestLayout.row]!;
    const quantity = words[at + requestLayout.quantity]!;
    const buyerBytes = words[at + requestLayout.lengths]! & 0xff;
    const keyBytes = words[at + requestLayout.lengths]! >> 8;
    assert(quantity >= 1 && quantity <= limits.quantityMax, 'the acceptor checked the quantity');
    assert(buyerBytes >= 1 && buyerBytes <= limits.buyerBytesMax, 'the acceptor checked the buyer');
    const sku = state.skus[row];
    if (sku === undefined) return this.#refuse(Outcome.skuNotFound);
    const { sale } = sku;
    const buyerAt = at + requestLayout.text;
    const keyAt = at + requestLayout.key;
    const query = this.#query;
    if (keyBytes > 0) {
      query.saleNumber = sale.number;
      query.buyerBytes = buyerBytes;
      query.keyBytes = keyBytes;
      query.words = words;
      query.buyerAt = buyerAt;
      query.keyAt = keyAt;
      state.hashKey(query);
      const found = state.keys.find(query);
      if (found !== -1) return this.#replay(found, row, quantity);
    }
    // A request made for another revision met the sale while it was being replaced, hence before it opened.
    const revision = words[at + requestLayout.revision]!;
    if (sku.revision !== revision || sale.revision !== revision || sale.frozen) {
      return this.#refuse(Outcome.notStarted);
    }
    // A definition in the same group may have given the row to a sale that the look ahead could not know.
    const hash =
      this.#hashedFor[lane] === sale.number
        ? this.#hashes[lane]!
        : state.buyerHash(sale.number, words, buyerAt, buyerBytes);
    const known = state.buyers.find(hash, sale.number, words, buyerAt, buyerBytes);
    const purchased = known === -1 || sku.limitPerBuyer === 0 ? 0 : state.buyers.purchased(known, row);
    const phase = phaseAt(sale, sale.state, nowMs);
    const outcome = decide(phase, purchased, sku.limitPerBuyer, sku.stock.available, quantity);
    if (outcome !== Outcome.done) return this.#refuse(outcome);
    if (!state.orders.hasRoom() || !state.buyers.hasRoom() || (keyBytes > 0 && !state.keys.hasRoom())) {
      return this.#refuse(Outcome.overloaded);
    }
    if (keyBytes > 0) {
      const conflict = this.#claimKey(query, state.orders.count, sale);
      if (conflict !== Outcome.done) return this.#refuse(conflict);
    }
    const status = sale.holdMs === 0 ? Status.confirmed : Status.held;
    const number = state.accept(
      sku,
      known,
      hash,
      words,
      buyerAt,
      buyerBytes,
      quantity,
      nowMs,
      status,
      this.#durability,
    );
    this.#batch?.accepted(
      row,
      this.#durability | (status === Status.confirmed ? bornConfirmed : 0),
      quantity,
      number,
      sku.sequence,
      words,
      buyerAt,
      buyerBytes,
      keyAt,
      keyBytes,
    );
    reply.outcome = Outcome.done;
    reply.orderNumber = number;
    reply.quantity = quantity;
    reply.sequence = sku.sequence;
    reply.createdAtMs = nowMs;
    reply.expiresAtMs = sale.holdMs === 0 ? Number.POSITIVE_INFINITY : nowMs + sale.holdMs;
    reply.status = status;
    reply.durability = this.#durability;
    return 'after commit';
  }

  #refuse(outcome: Outcome): Urgency {
    this.reply.outcome = outcome;
    return 'at once';
  }

  #replay(reference: number, row: number, quantity: number): Urgency {
    const { orders } = this.#state;
    const same =
      (reference & restockReference) === 0 &&
      orders.row(reference) === row &&
      orders.quantity(reference) === quantity;
    if (!same) return this.#refuse(Outcome.idempotencyConflict);
    this.#describe(reference, Outcome.replayed);
    // The original may have been accepted earlier in this very batch.
    return 'after commit';
  }

  /**
   * Adds a key, unless another shard has it for another SKU of the sale. Two shards may try the same key at the
   * same time: each publishes first and looks second, so at least one of them sees the other and steps back.
   */
  #claimKey(query: KeyQuery, reference: number, sale: ShardSale): Outcome {
    // Looking comes first too: a key that was taken back leaves its bytes behind, so that is for the race only.
    const taken = sale.spread ? this.#lookElsewhere(query) : Outcome.done;
    if (taken !== Outcome.done) return taken;
    this.#state.keys.insert(query, reference);
    const lost = sale.spread ? this.#lookElsewhere(query) : Outcome.done;
    if (lost !== Outcome.done) this.#state.keys.retractLast();
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

  #step(number: number, step: Step, nowMs: number): void {
    const state = this.#state;
    if (!state.orders.has(number)) {
      this.reply.outcome = Outcome.orderNotFound;
      return;
    }
    // Its turn in the hold queue may still be to come: the deadline counts, not when we get to it.
    if (state.orders.status(number) === Status.held && nowMs >= state.expiresAtMs(number)) {
      this.expire(number);
    }
    const status = state.orders.status(number);
    const result = resultOfStep(status, step);
    switch (result) {
      case 'change': {
        const to = targetOf(step);
        assert(to !== Status.held, 'no step leads back to held');
        this.#batch?.settled(entryTypeOf(to), number);
        state.settle(number, to);
        this.#describe(number, Outcome.done);
        return;
      }
      case 'already':
        this.#describe(number, Outcome.replayed);
        return;
      case 'refused':
        this.#describe(number, refusalOfStatus[status]);
        return;
      default:
        unreachable(result);
    }
  }

  /** Ends a held order whose deadline has passed. */
  expire(number: number): void {
    this.expiredCount += 1;
    this.#batch?.settled(EntryType.expired, number);
    this.#state.settle(number, Status.expired);
  }

  #read(number: number): void {
    if (this.#state.orders.has(number)) this.#describe(number, Outcome.done);
    else this.reply.outcome = Outcome.orderNotFound;
  }

  #nextOfBuyer(words: Int32Array, at: number): void {
    const state = this.#state;
    const after = words[at + requestLayout.orderNumber]!;
    const saleNumber = words[at + requestLayout.saleNumber]!;
    let next: number;
    if (after === -1) {
      const bytes = words[at + requestLayout.lengths]! & 0xff;
      const nameAt = at + requestLayout.text;
      const hash = state.buyerHash(saleNumber, words, nameAt, bytes);
      const buyer = state.buyers.find(hash, saleNumber, words, nameAt, bytes);
      next = buyer === -1 ? -1 : state.buyers.firstOrder(buyer);
    } else {
      assert(state.orders.has(after), 'a listing goes on from an order it was given');
      next = state.orders.nextOfBuyer(after);
    }
    if (next === -1) this.reply.outcome = Outcome.none;
    else this.#describe(next, Outcome.done);
  }

  /** Fills the reply from an order as it is now. */
  #describe(number: number, outcome: Outcome): void {
    const { reply } = this;
    const { orders } = this.#state;
    reply.outcome = outcome;
    reply.orderNumber = number;
    reply.row = orders.row(number);
    reply.quantity = orders.quantity(number);
    reply.sequence = orders.sequence(number);
    reply.createdAtMs = orders.createdAtMs(number);
    reply.expiresAtMs = this.#state.expiresAtMs(number);
    reply.status = orders.status(number);
    reply.durability = orders.durability(number);
  }

  #restock(words: Int32Array, at: number, nowMs: number): void {
    const { reply } = this;
    const state = this.#state;
    const row = words[at + requestLayout.row]!;
    const quantity = words[at + requestLayout.quantity]!;
    const keyBytes = words[at + requestLayout.lengths]! >> 8;
    const keyAt = at + requestLayout.key;
    const sku = state.skus[row];
    if (sku === undefined) {
      reply.outcome = Outcome.skuNotFound;
      return;
    }
    const query = this.#query;
    if (keyBytes > 0) {
      restockQuery(query, sku.sale.number, words, keyAt, keyBytes);
      state.hashKey(query);
      const found = state.keys.find(query);
      if (found !== -1) {
        const original = state.restocks[found & ~restockReference]!;
        reply.outcome =
          original.row === row && original.revision === sku.revision && original.quantity === quantity
            ? Outcome.replayed
            : Outcome.idempotencyConflict;
        return;
      }
    }
    reply.outcome = this.#restockOutcome(sku, quantity, nowMs);
    if (reply.outcome !== Outcome.done) return;
    if (keyBytes > 0) {
      if (!state.keys.hasRoom()) {
        reply.outcome = Outcome.overloaded;
        return;
      }
      const conflict = this.#claimKey(query, state.rememberRestock(sku, quantity), sku.sale);
      if (conflict !== Outcome.done) {
        state.restocks.pop();
        reply.outcome = conflict;
        return;
      }
    }
    this.#batch?.restocked(row, quantity, words, keyAt, keyBytes);
    state.restock(sku, quantity);
  }

  #restockOutcome(sku: ShardSku, quantity: number, nowMs: number): Outcome {
    if (phaseAt(sku.sale, sku.sale.state, nowMs) === Phase.ended) return Outcome.ended;
    if (sku.stock.available + quantity < 0) return Outcome.insufficientStock;
    return sku.stock.total + quantity > limits.stockMax ? Outcome.invalidRequest : Outcome.done;
  }

  #define(words: Int32Array, doubles: Float64Array, at: number): void {
    const row = words[at + requestLayout.row]!;
    const sku = this.#state.skus[row];
    const stateAndSpread = words[at + requestLayout.saleState]!;
    const definition = {
      row,
      revision: words[at + requestLayout.revision]!,
      saleNumber: words[at + requestLayout.saleNumber]!,
      total: words[at + requestLayout.quantity]!,
      limitPerBuyer: words[at + requestLayout.limitPerBuyer]!,
      holdSeconds: words[at + requestLayout.holdSeconds]!,
      startsAtMs: doubles[at / 2 + requestLayout.startsAtMs]!,
      endsAtMs: doubles[at / 2 + requestLayout.endsAtMs]!,
      state: (stateAndSpread & 0xff) as SaleState,
      spread: stateAndSpread >> 8 === 1,
    };
    this.reply.outcome = Outcome.replayed;
    // The engine sends every definition again when it starts: what is known already stays as it is.
    if (sku?.revision === definition.revision && sku.sale.number === definition.saleNumber) {
      // Whoever froze it for a replacement that came to nothing may not have got through with the unfreezing.
      sku.sale.frozen = false;
      return;
    }
    const saleBytes = words[at + requestLayout.lengths]! & 0xff;
    const skuBytes = words[at + requestLayout.lengths]! >> 8;
    this.#batch?.defined(
      definition,
      words,
      at + requestLayout.text,
      saleBytes,
      at + requestLayout.key,
      skuBytes,
    );
    this.#state.define(definition);
    this.reply.outcome = Outcome.done;
  }

  #remove(row: number): void {
    this.reply.outcome = Outcome.replayed;
    if (this.#state.skus[row] === undefined) return;
    this.#batch?.removed(row);
    this.#state.remove(row);
    this.reply.outcome = Outcome.done;
  }

  #control(words: Int32Array, at: number): void {
    const saleNumber = words[at + requestLayout.saleNumber]!;
    const to = words[at + requestLayout.saleState]! as SaleState;
    const sale = this.#state.sales.get(saleNumber);
    // Its definition may have been refused or lost on the way: then that has to come first.
    this.reply.outcome = sale === undefined ? Outcome.skuNotFound : Outcome.replayed;
    if (sale === undefined || sale.state === to) return;
    this.#batch?.controlled(saleNumber, to);
    this.#state.control(saleNumber, to);
    this.reply.outcome = Outcome.done;
  }

  #freeze(saleNumber: number, nowMs: number): void {
    const sale = this.#state.sales.get(saleNumber);
    // A sale that is not known has no orders, and gets none before it is defined.
    this.reply.outcome = Outcome.done;
    if (sale === undefined) return;
    const untouched = phaseAt(sale, sale.state, nowMs) === Phase.scheduled && sale.orders === 0;
    sale.frozen = untouched;
    if (!untouched) this.reply.outcome = Outcome.saleOpen;
  }

  #unfreeze(saleNumber: number): void {
    const sale = this.#state.sales.get(saleNumber);
    if (sale !== undefined) sale.frozen = false;
    this.reply.outcome = Outcome.done;
  }
}
