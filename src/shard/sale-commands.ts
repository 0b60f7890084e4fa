/**
 * What operators do with sales, as a shard sees it: define and remove SKUs, restock, pause, freeze. Each may come again
 * and then changes nothing, so that whoever got no answer may ask once more. The shard's thread owns it.
 */
import { limits } from '../config.js';
import { requestLayout } from '../memory/layout.js';
import {
  definedSpreadOf,
  definedStateOf,
  keyBytesOf,
  type Reply,
  textBytesOf,
  toldStateOf,
} from '../memory/records.js';
import { Outcome } from '../sale/outcome.js';
import { Phase, phaseAt, type SaleState, strictest } from '../sale/phase.js';
import type { Batch } from '../store/batch.js';
import type { KeyClaims } from './key-claims.js';
import type { CommandContext } from './order-commands.js';
import { newKeyQuery, restockQuery, restockReference, type ShardSku, type ShardState } from './state.js';

export class SaleCommands {
  readonly #state: ShardState;
  readonly #batch: Batch | undefined;
  readonly #claims: KeyClaims;
  readonly #reply: Reply;
  readonly #query = newKeyQuery();

  constructor(context: CommandContext) {
    this.#state = context.state;
    this.#batch = context.batch;
    this.#claims = context.claims;
    this.#reply = context.reply;
  }

  restock(words: Int32Array, at: number, nowMs: number): void {
    const reply = this.#reply;
    const state = this.#state;
    const row = words[at + requestLayout.row]!;
    const quantity = words[at + requestLayout.quantity]!;
    const keyBytes = keyBytesOf(words[at + requestLayout.lengths]!);
    const told = toldStateOf(words[at + requestLayout.lengths]!);
    const keyAt = at + requestLayout.key;
    const sku = state.skus[row];
    // Units that were added to a definition which is about to be replaced would go with it.
    if (sku === undefined || sku.revision !== words[at + requestLayout.revision]!) {
      reply.outcome = Outcome.staleDefinition;
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
    reply.outcome = this.#restockOutcome(sku, told, quantity, nowMs);
    if (reply.outcome !== Outcome.done) return;
    if (keyBytes > 0) {
      if (!state.keys.hasRoom()) {
        reply.outcome = Outcome.overloaded;
        return;
      }
      const taken = this.#claims.taken(query, sku.sale);
      if (taken !== Outcome.done) {
        reply.outcome = taken;
        return;
      }
      const conflict = this.#claims.claim(query, state.rememberRestock(sku, quantity), sku.sale);
      if (conflict !== Outcome.done) {
        state.restocks.pop();
        reply.outcome = conflict;
        return;
      }
    }
    this.#batch?.restocked(row, quantity, words, keyAt, keyBytes);
    state.restock(sku, quantity);
  }

  #restockOutcome(sku: ShardSku, told: SaleState, quantity: number, nowMs: number): Outcome {
    if (phaseAt(sku.sale, strictest(sku.sale.state, told), nowMs) === Phase.ended) return Outcome.ended;
    if (sku.stock.available + quantity < 0) return Outcome.insufficientStock;
    return sku.stock.total + quantity > limits.stockMax ? Outcome.invalidRequest : Outcome.done;
  }

  define(words: Int32Array, doubles: Float64Array, at: number): void {
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
      state: definedStateOf(stateAndSpread),
      spread: definedSpreadOf(stateAndSpread),
    };
    this.#reply.outcome = Outcome.replayed;
    // The engine sends every definition again when it starts: what is known already stays as it is.
    if (sku?.revision === definition.revision && sku.sale.number === definition.saleNumber) {
      // Whoever froze it for a replacement that came to nothing may not have got through with the unfreezing.
      sku.sale.frozen = false;
      return;
    }
    const saleBytes = textBytesOf(words[at + requestLayout.lengths]!);
    const skuBytes = keyBytesOf(words[at + requestLayout.lengths]!);
    this.#batch?.defined(
      definition,
      words,
      at + requestLayout.text,
      saleBytes,
      at + requestLayout.key,
      skuBytes,
    );
    this.#state.define(definition);
    this.#reply.outcome = Outcome.done;
  }

  remove(row: number): void {
    this.#reply.outcome = Outcome.replayed;
    if (this.#state.skus[row] === undefined) return;
    this.#batch?.removed(row);
    this.#state.remove(row);
    this.#reply.outcome = Outcome.done;
  }

  control(words: Int32Array, at: number): void {
    const saleNumber = words[at + requestLayout.saleNumber]!;
    const to = words[at + requestLayout.saleState]! as SaleState;
    const sale = this.#state.sales.get(saleNumber);
    // Its definition may have been refused or lost on the way: then that has to come first.
    this.#reply.outcome = sale === undefined ? Outcome.staleDefinition : Outcome.replayed;
    if (sale === undefined || sale.state === to) return;
    this.#batch?.controlled(saleNumber, to);
    this.#state.control(saleNumber, to);
    this.#reply.outcome = Outcome.done;
  }

  freeze(saleNumber: number, nowMs: number): void {
    const sale = this.#state.sales.get(saleNumber);
    // A sale that is not known has no orders, and gets none before it is defined.
    this.#reply.outcome = Outcome.done;
    if (sale === undefined) return;
    const untouched = phaseAt(sale, sale.state, nowMs) === Phase.scheduled && sale.orders === 0;
    sale.frozen = untouched;
    if (!untouched) this.#reply.outcome = Outcome.saleOpen;
  }

  unfreeze(saleNumber: number): void {
    const sale = this.#state.sales.get(saleNumber);
    if (sale !== undefined) sale.frozen = false;
    this.#reply.outcome = Outcome.done;
  }

  /** A share of it: whoever asks for it asks until nothing is left. */
  prepare(nowMs: number): void {
    this.#reply.quantity = this.#state.prepare(nowMs) ? 0 : 1;
    this.#reply.outcome = Outcome.done;
  }
}
