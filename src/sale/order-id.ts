/**
 * Order ids: 16 hexadecimal digits that say where an order lives. Six name the store (so that an id from another
 * data folder is not mistaken for one of ours), two the shard, eight the order's number there. An id is an
 * address, not a secret. Pure.
 */

export interface OrderAddress {
  readonly shard: number;
  readonly number: number;
}

const pattern = /^[0-9a-f]{16}$/;
const pairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export class OrderIds {
  readonly #store: string;
  /** By shard: the part of the id that all its orders share. */
  readonly #prefixes: readonly string[];

  /** @param storeTag 24 bits that name the store */
  constructor(storeTag: number, shards: number) {
    this.#store = storeTag.toString(16).padStart(6, '0');
    this.#prefixes = Array.from({ length: shards }, (_, shard) => this.#store + pairs[shard]!);
  }

  /** The id of an order. */
  format(shard: number, number: number): string {
    return (
      this.#prefixes[shard]! +
      pairs[number >>> 24]! +
      pairs[(number >>> 16) & 0xff]! +
      pairs[(number >>> 8) & 0xff]! +
      pairs[number & 0xff]!
    );
  }

  /** Where the order is, or undefined when no order of this store can have this id. */
  parse(id: string): OrderAddress | undefined {
    if (!pattern.test(id) || !id.startsWith(this.#store)) return undefined;
    const shard = Number.parseInt(id.slice(6, 8), 16);
    const number = Number.parseInt(id.slice(8), 16);
    return shard < this.#prefixes.length && number < 2 ** 31 ? { shard, number } : undefined;
  }
}
