/** The engine's side of an arbitrary run: turns actions into the requests that a shard is sent. */

import { SaleState } from '../../dist/sale/phase.js';
import type { Define, Place, Request, Restock } from '../support/requests.js';
import type { ShardModel } from '../support/shard-model.js';
import { type Action, type PlaceAction, rowOf, skusPerSale } from './model-actions.js';

/** The engine's side: what it has told the shard of each sale. */
export class Operator {
  readonly #defined = new Map<number, Define[]>();
  readonly #states = new Map<number, SaleState>();
  /** Orders and restocks so far. */
  readonly #sent: (Place | Restock)[] = [];
  #lastRevision = 0;
  /** The rest of a change to a sale that is under way. There is one at a time. */
  #rest: ((removing: boolean) => Request[]) | undefined = undefined;

  /** The requests that an action means now. */
  requestsOf(action: Action, model: ShardModel, nowMs: number): Request[] {
    return this.#remember(this.#requestsOf(action, model, nowMs));
  }

  /**
   * The requests that finish the change under way. After a restart only definitions are sent, those of the catalogue:
   * what was to be removed is forgotten.
   */
  finish(removing = true): Request[] {
    const rest = this.#rest;
    this.#rest = undefined;
    return this.#remember(rest?.(removing) ?? []);
  }

  #remember(requests: Request[]): Request[] {
    for (const one of requests) if (one.op === 'place' || one.op === 'restock') this.#sent.push(one);
    return requests;
  }

  #requestsOf(action: Action, model: ShardModel, nowMs: number): Request[] {
    switch (action.kind) {
      case 'place':
        return [this.#place(action)];
      case 'confirm':
      case 'cancel':
      case 'read':
        // One in a while is nobody's.
        return [{ op: action.kind, number: action.pick % (model.orders.length + 1) }];
      case 'repeat': {
        const again = this.#sent[this.#sent.length - 1 - (action.pick % (this.#sent.length + 1))];
        return again === undefined ? [] : [again];
      }
      case 'list': {
        const known = model.ordersOf(action.sale, action.buyer);
        const after = known[action.pick % (known.length + 1)]?.number ?? -1;
        return [{ op: 'nextOfBuyer', sale: action.sale, buyer: action.buyer, after }];
      }
      case 'restock': {
        const { quantity, key: restockKey } = action;
        {
          const revision = (this.#defined.get(action.sale)?.[0]?.revision ?? 0) + action.revisionOff;
          return [
            { op: 'restock', row: rowOf(action.sale, action.sku), revision, quantity, key: restockKey },
          ];
        }
      }
      case 'control':
        if (this.#rest !== undefined || !this.#defined.has(action.sale)) return [];
        this.#states.set(action.sale, action.state);
        return [{ op: 'control', sale: action.sale, state: action.state }];
      case 'redefine':
        if (this.#rest !== undefined) return [];
        return (this.#defined.get(action.sale) ?? []).map((one) => ({
          ...one,
          state: this.#states.get(action.sale) ?? SaleState.running,
        }));
      case 'freeze':
        if (this.#rest !== undefined || !this.#defined.has(action.sale)) return [];
        this.#rest = () => [{ op: 'unfreeze', sale: action.sale }];
        return [
          { op: 'freeze', sale: action.sale },
          ...action.meanwhile.map((one) => this.#place(one)),
          ...(action.slow ? [] : this.finish()),
        ];
      case 'put':
        return this.#rest === undefined ? this.#put(action, model, nowMs) : [];

      case 'foreign key':
      case 'foreign state':
        return [];
    }
  }

  #place(action: PlaceAction): Place {
    const { quantity, key: placeKey, buyer: placeBuyer } = action;
    const revision = (this.#defined.get(action.sale)?.[0]?.revision ?? 0) + action.revisionOff;
    const row = rowOf(action.sale, action.sku);
    return { op: 'place', sale: action.sale, row, revision, quantity, buyer: placeBuyer, key: placeKey };
  }

  /** As the engine does it: freeze, remove, then the catalogue changes hands, then define. */
  #put(action: Extract<Action, { kind: 'put' }>, model: ShardModel, nowMs: number): Request[] {
    const orders = [...action.meanwhile];
    const someOrders = () => orders.splice(0, 2).map((one) => this.#place(one));
    const before = this.#defined.get(action.sale);
    const startsAtMs = nowMs + action.startsInMs;
    this.#rest = (removing) => {
      const requests: Request[] = [];
      for (const { row } of before ?? []) {
        if (removing && action.skus[row % skusPerSale] === undefined) {
          requests.push({ op: 'remove', row }, ...someOrders());
        }
      }
      const definitions = this.#definitions(action, startsAtMs);
      this.#defined.set(action.sale, definitions);
      for (const one of definitions) requests.push(one, ...someOrders());
      requests.push({ op: 'prepare' });
      return requests;
    };
    if (before === undefined) return this.finish();
    const { state, startsAtMs: opensAtMs } = model.sales.get(action.sale)!;
    if (state === SaleState.ended || nowMs >= opensAtMs) {
      this.#rest = () => [{ op: 'unfreeze', sale: action.sale }];
    }
    return [{ op: 'freeze', sale: action.sale }, ...someOrders(), ...(action.slow ? [] : this.finish())];
  }

  #definitions(action: Extract<Action, { kind: 'put' }>, startsAtMs: number): Define[] {
    this.#lastRevision += 1;
    const definitions: Define[] = [];
    for (const [i, given] of action.skus.entries()) {
      if (given === undefined) continue;
      definitions.push({
        op: 'define',
        row: rowOf(action.sale, i),
        sale: action.sale,
        revision: this.#lastRevision,
        total: given.stock,
        limit: given.limit,
        holdSeconds: action.holdSeconds,
        startsAtMs,
        endsAtMs: startsAtMs + action.lastsMs,
        state: this.#states.get(action.sale) ?? SaleState.running,
        spread: action.spread,
      });
    }
    return definitions;
  }
}
