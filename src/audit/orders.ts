/** The orders of one shard, by their numbers: what the auditor has to know of each. Pure. */
import { grown } from './columns.js';

export const OrderStatus = { held: 0, confirmed: 1, cancelled: 2, expired: 3 } as const;
export type OrderStatus = (typeof OrderStatus)[keyof typeof OrderStatus];

export const statusNames = ['held', 'confirmed', 'cancelled', 'expired'] as const;

export interface NewOrder {
  readonly row: number;
  readonly quantity: number;
  readonly sequence: number;
  readonly buyer: number;
  /** −1 for none. */
  readonly key: number;
  readonly createdAtMs: number;
  readonly status: OrderStatus;
  readonly durability: number;
}

export class Orders {
  count = 0;
  rows = new Uint16Array(1024);
  quantities = new Uint16Array(1024);
  sequences = new Int32Array(1024);
  buyers = new Int32Array(1024);
  keys = new Int32Array(1024);
  createdAtMs = new Float64Array(1024);
  statuses = new Uint8Array(1024);
  durabilities = new Uint8Array(1024);
  /** 1 for an order that was confirmed after its hold had expired. */
  reacquired = new Uint8Array(1024);

  append(order: NewOrder): void {
    const number = this.count;
    this.count += 1;
    if (this.count > this.rows.length) this.#grow();
    this.rows[number] = order.row;
    this.quantities[number] = order.quantity;
    this.sequences[number] = order.sequence;
    this.buyers[number] = order.buyer;
    this.keys[number] = order.key;
    this.createdAtMs[number] = order.createdAtMs;
    this.statuses[number] = order.status;
    this.durabilities[number] = order.durability;
  }

  #grow(): void {
    this.rows = grown(this.rows, this.count);
    this.quantities = grown(this.quantities, this.count);
    this.sequences = grown(this.sequences, this.count);
    this.buyers = grown(this.buyers, this.count);
    this.keys = grown(this.keys, this.count);
    this.createdAtMs = grown(this.createdAtMs, this.count);
    this.statuses = grown(this.statuses, this.count);
    this.durabilities = grown(this.durabilities, this.count);
    this.reacquired = grown(this.reacquired, this.count);
  }
}
