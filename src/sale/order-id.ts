/**
 * Order ids: 16 hexadecimal digits that say where an order lives. Six name the store (so that an id from another
 * data folder is not mistaken for one of ours), two the shard, eight the order's number there. An id is an
 * address, not a secret. Pure.
 */

export interface OrderAddress {
  readonly shard: number;
  readonly number: number;
}

/** Length of an id. */
export const orderIdChars = 16;
const storeDigits = 6;
/** Shards that an id can name. */
export const shardsNameable = 256;

const pattern = /^[0-9a-f]{16}$/;
const quads = Array.from({ length: 0x10000 }, (_, value) => value.toString(16).padStart(4, '0'));

export class OrderIds {
  readonly #store: string;
  /** By shard: the part of the id that all its orders share. */
  readonly #prefixes: readonly string[];
  #lastHigh = -1;
  #lastShard = -1;
  #lastStart = '';

  /** The ids of a store: the first digits of its own id name it in them. */
  static ofStore(storeId: string, shards: number): OrderIds {
    return new OrderIds(Number.parseInt(storeId.slice(0, storeDigits), 16), shards);
  }

  /** @param storeTag 24 bits that name the store */
  constructor(storeTag: number, shards: number) {
    this.#store = storeTag.toString(16).padStart(storeDigits, '0');
    this.#prefixes = Array.from({ length: shards }, (_, shard) => this.#store + quads[shard]!.slice(2));
  }

  /** The id of an order. */
  format(shard: number, number: number): string {
    const high = number >>> 16;
    // Orders come in sequence, so all but the last four digits are nearly always those of the order before.
    if (high !== this.#lastHigh || shard !== this.#lastShard) {
      this.#lastHigh = high;
      this.#lastShard = shard;
      this.#lastStart = this.#prefixes[shard]! + quads[high]!;
    }
    return this.#lastStart + quads[number & 0xffff]!;
  }

  /** Writes the id of an order as ASCII at byte `at`. */
  write(bytes: Uint8Array, at: number, shard: number, number: number): void {
    const prefix = this.#prefixes[shard]!;
    for (let i = 0; i < prefix.length; i++) bytes[at + i] = prefix.charCodeAt(i);
    writeHex(bytes, at + prefix.length, number >>> 16);
    writeHex(bytes, at + prefix.length + 4, number & 0xffff);
  }

  /** Turns the id written at byte `at` into that of another order of the same shard, equal but for the lowest 16 bits. */
  rewrite(bytes: Uint8Array, at: number, number: number): void {
    writeHex(bytes, at + orderIdChars - 4, number & 0xffff);
  }

  /** Where the order is, or undefined when no order of this store can have this id. */
  parse(id: string): OrderAddress | undefined {
    if (typeof id !== 'string' || !pattern.test(id) || !id.startsWith(this.#store)) return undefined;
    const shard = Number.parseInt(id.slice(storeDigits, storeDigits + 2), 16);
    const number = Number.parseInt(id.slice(storeDigits + 2), 16);
    return shard < this.#prefixes.length && number < 2 ** 31 ? { shard, number } : undefined;
  }
}

/** Writes four hexadecimal digits. */
function writeHex(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = hexDigit(value >>> 12);
  bytes[at + 1] = hexDigit((value >>> 8) & 0xf);
  bytes[at + 2] = hexDigit((value >>> 4) & 0xf);
  bytes[at + 3] = hexDigit(value & 0xf);
}

function hexDigit(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
