/**
 * What is asked of orders: place, confirm, cancel, expire, read, list. Each reads one request record, decides, and
 * where it accepts writes the journal entry and applies it. The shard's thread owns it.
 */
import { assert, unreachable } from '../assert.js';
import { limits } from '../config.js';
import { requestLayout } from '../memory/layout.js';
import { keyBytesOf, type Reply, textBytesOf, toldStateOf } from '../memory/records.js';
import { decide } from '../sale/decision.js';
import { resultOfStep, Status, Step, targetOf } from '../sale/order-state.js';
import { Outcome } from '../sale/outcome.js';
import { Phase, phaseAt, strictest } from '../sale/phase.js';
import type { Batch } from '../store/batch.js';
import { bornConfirmed, EntryType, entryTypeOf } from '../store/entry.js';
import type { KeyClaims } from './key-claims.js';
import { newKeyQuery, restockReference, type ShardSku, type ShardState } from './state.js';

/** Whether a reply may leave before the batch is committed: refusals of new orders promise nothing. */
export type Urgency = 'at once' | 'after commit';

const refusalOfStatus: Readonly<Record<Status, Outcome>> = {
  [Status.held]: Outcome.done,
  [Status.confirmed]: Outcome.orderConfirmed,
  [Status.cancelled]: Outcome.orderCancelled,
  [Status.expired]: Outcome.orderExpired,
};

/** What commands work on. */
export interface CommandContext {
  readonly state: ShardState;
  /** Where entries go, or undefined when nothing is journalled. */
  readonly batch: Batch | undefined;
  /** Index of the mode that orders are acknowledged under. */
  readonly durability: number;
  readonly claims: KeyClaims;
  /** The answer to the command executed last. */
  readonly reply: Reply;
}

export class OrderCommands {
  readonly #state: ShardState;
  readonly #batch: Batch | undefined;
  readonly #durability: number;
  readonly #claims: KeyClaims;
  readonly #reply: Reply;
  /** Holds ended by their deadline so far. */
  expiredCount = 0;
  readonly #query = newKeyQuery();

  constructor(context: CommandContext) {
    this.#state = context.state;
    this.#batch = context.batch;
    this.#durability = context.durability;
    this.#claims = context.claims;
    this.#reply = context.reply;
  }

  place(words: Int32Array, at: number, nowMs: number): Urgency {
    const state = this.#state;
    const row = words[at + requestLayout.row]!;
    const quantity = words[at + requestLayout.quantity]!;
    const lengths = words[at + requestLayout.lengths]!;
    const buyerBytes = textBytesOf(lengths);
    assert(quantity >= 1 && quantity <= limits.quantityMax, 'the acceptor checked the quantity');
    assert(buyerBytes >= 1 && buyerBytes <= limits.buyerBytesMax, 'the acceptor checked the buyer');
    const sku = state.skus[row];
    if (sku === undefined) return this.#refuse(Outcome.staleDefinition);
    const { sale } = sku;
    if (keyBytesOf(lengths) > 0) {
      const answered = this.#answerKey(sku, words, at);
      if (answered !== undefined) return answered;
    }
    const revision = words[at + requestLayout.revision]!;
    if (sku.revision !== revision || sale.revision !== revision || sale.frozen) {
      // A request made for a former revision met the sale while it was being replaced, hence before it opened.
      return this.#refuse(sku.revision < revision ? Outcome.staleDefinition : Outcome.notStarted);
    }
    const buyerAt = at + requestLayout.text;
    // Of the buyer in the sale that the acceptor knows in this row: with the same revision it is this one.
    const hash = words[at + requestLayout.buyerHash]!;
    const known = state.buyers.find(hash, sale.number, words, buyerAt, buyerBytes);
    const purchased = known === -1 || sku.limitPerBuyer === 0 ? 0 : state.buyers.purchased(known, row);
    const phase = phaseAt(sale, strictest(sale.state, toldStateOf(lengths)), nowMs);
    const outcome = decide(phase, purchased, sku.limitPerBuyer, sku.stock.available, quantity);
    if (outcome !== Outcome.done) return this.#refuse(outcome);
    return this.#accept(sku, known, hash, words, at, nowMs);
  }

  /** The answer to an order whose idempotency key somebody has already; otherwise undefined, and the key is in `#query`. */
  #answerKey(sku: ShardSku, words: Int32Array, at: number): Urgency | undefined {
    const query = this.#query;
    query.saleNumber = sku.sale.number;
    query.buyerBytes = textBytesOf(words[at + requestLayout.lengths]!);
    query.keyBytes = keyBytesOf(words[at + requestLayout.lengths]!);
    assert(query.keyBytes <= limits.idempotencyKeyBytesMax, 'the acceptor checked the key');
    query.words = words;
    query.buyerAt = at + requestLayout.text;
    query.keyAt = at + requestLayout.key;
    this.#state.hashKey(query);
    const found = this.#state.keys.find(query);
    if (found !== -1) return this.#replay(found, sku.row, words[at + requestLayout.quantity]!);
    const taken = this.#claims.taken(query, sku.sale);
    return taken === Outcome.done ? undefined : this.#refuse(taken);
  }

  /** Takes an order that was decided for, where there is room for it and nobody else takes its key just now. */
  #accept(sku: ShardSku, known: number, hash: number, words: Int32Array, at: number, nowMs: number): Urgency {
    const state = this.#state;
    if ((state.orders.count & (limits.hashCheckedOf - 1)) === 0) this.#checkHash(sku, hash, words, at);
    if (!state.orders.hasRoom() || !state.buyers.hasRoom()) return this.#refuse(Outcome.overloaded);
    if (keyBytesOf(words[at + requestLayout.lengths]!) > 0) {
      const conflict = this.#claimKey(sku);
      if (conflict !== Outcome.done) return this.#refuse(conflict);
    }
    const { holdMs } = sku.sale;
    const status = holdMs === 0 ? Status.confirmed : Status.held;
    const quantity = words[at + requestLayout.quantity]!;
    const number = state.accept(
      sku,
      known,
      hash,
      words,
      at + requestLayout.text,
      textBytesOf(words[at + requestLayout.lengths]!),
      quantity,
      nowMs,
      status,
      this.#durability,
    );
    if (this.#batch !== undefined) this.#write(this.#batch, sku, status, number, words, at);
    const reply = this.#reply;
    reply.outcome = Outcome.done;
    reply.orderNumber = number;
    reply.quantity = quantity;
    reply.sequence = sku.sequence;
    reply.createdAtMs = nowMs;
    reply.expiresAtMs = holdMs === 0 ? Number.POSITIVE_INFINITY : nowMs + holdMs;
    reply.status = status;
    reply.durability = this.#durability;
    reply.reacquired = false;
    return 'after commit';
  }

  /** Whether the acceptor hashes as we do: a buyer under two hashes would be two buyers, each with a limit of his own. */
  #checkHash(sku: ShardSku, hash: number, words: Int32Array, at: number): void {
    const bytes = textBytesOf(words[at + requestLayout.lengths]!);
    const own = this.#state.buyerHash(sku.sale.number, words, at + requestLayout.text, bytes);
    assert(own === hash, 'a request carries the hash of its buyer in its sale');
  }

  /** Takes the key in `#query` for the next order. */
  #claimKey(sku: ShardSku): Outcome {
    const { keys, orders } = this.#state;
    return keys.hasRoom() ? this.#claims.claim(this.#query, orders.count, sku.sale) : Outcome.overloaded;
  }

  /** Journals an accepted order. */
  #write(batch: Batch, sku: ShardSku, status: Status, number: number, words: Int32Array, at: number): void {
    batch.accepted(
      sku.row,
      this.#durability | (status === Status.confirmed ? bornConfirmed : 0),
      words[at + requestLayout.quantity]!,
      number,
      sku.sequence,
      words,
      at + requestLayout.text,
      textBytesOf(words[at + requestLayout.lengths]!),
      at + requestLayout.key,
      keyBytesOf(words[at + requestLayout.lengths]!),
    );
  }

  #refuse(outcome: Outcome): Urgency {
    this.#reply.outcome = outcome;
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

  step(number: number, step: Step, nowMs: number): void {
    const state = this.#state;
    if (!state.orders.has(number)) {
      this.#reply.outcome = Outcome.orderNotFound;
      return;
    }
    // Its turn in the hold queue may still be to come: the deadline counts, not when we get to it.
    if (state.orders.status(number) === Status.held && nowMs >= state.expiresAtMs(number)) {
      this.expire(number);
    }
    const status = state.orders.status(number);
    if (status === Status.expired && step === Step.confirm) {
      this.#confirmLate(number);
      return;
    }
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

  /**
   * Confirms an order whose hold has expired, as somebody may have paid for it: with units that are still there, within
   * the buyer's purchase limit, and whatever the sale's phase, as for a hold.
   */
  #confirmLate(number: number): void {
    const state = this.#state;
    const row = state.orders.row(number);
    const quantity = state.orders.quantity(number);
    const { limitPerBuyer, stock } = state.skus[row]!;
    const purchased = limitPerBuyer === 0 ? 0 : state.buyers.purchased(state.orders.buyer(number), row);
    const outcome = decide(Phase.open, purchased, limitPerBuyer, stock.available, quantity);
    if (outcome !== Outcome.done) {
      this.#describe(number, Outcome.expiredForGood);
      return;
    }
    this.#batch?.settled(EntryType.reacquired, number);
    state.reacquire(number);
    this.#describe(number, Outcome.done);
  }

  /** Ends a held order whose deadline has passed. */
  expire(number: number): void {
    this.expiredCount += 1;
    this.#batch?.settled(EntryType.expired, number);
    this.#state.settle(number, Status.expired);
  }

  read(number: number): void {
    if (this.#state.orders.has(number)) this.#describe(number, Outcome.done);
    else this.#reply.outcome = Outcome.orderNotFound;
  }

  nextOfBuyer(words: Int32Array, at: number): void {
    const state = this.#state;
    const after = words[at + requestLayout.orderNumber]!;
    const saleNumber = words[at + requestLayout.saleNumber]!;
    let next: number;
    if (after === -1) {
      const bytes = textBytesOf(words[at + requestLayout.lengths]!);
      const nameAt = at + requestLayout.text;
      const hash = state.buyerHash(saleNumber, words, nameAt, bytes);
      const buyer = state.buyers.find(hash, saleNumber, words, nameAt, bytes);
      next = buyer === -1 ? -1 : state.buyers.firstOrder(buyer);
    } else {
      assert(state.orders.has(after), 'a listing goes on from an order it was given');
      next = state.orders.nextOfBuyer(after);
    }
    if (next === -1) this.#reply.outcome = Outcome.none;
    else this.#describe(next, Outcome.done);
  }

  /** Fills the reply from an order as it is now. */
  #describe(number: number, outcome: Outcome): void {
    const reply = this.#reply;
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
    reply.reacquired = orders.reacquired(number);
  }
}
