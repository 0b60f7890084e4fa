/**
 * Who bought what: one entry per (sale, buyer), exact, in typed arrays. One shard's thread owns it.
 *
 * Open addressing with linear probing over slots of (hash, entry); the slots double when five eighths
 * of them are taken: later, a look-up that finds nothing would pass over too many; sooner, there would be more memory to
 * fetch from. No insert ever waits for that: the new slots are first touched a few pages at each insert, in order, because
 * pages that the system has yet to provide are dear, and at random dearer still; then the old slots move over a few
 * at each insert (as Redis' dict.c moves its buckets). A table that was prepared for its buyers has none of that to do.
 */
import { assert } from '../assert.js';
import { copyWords, sameWords, textWords } from '../text.js';
import { Pages, pageWords } from './pages.js';

const slotsAtStart = 4_096;
/**
 * Share of the slots that is taken when they double. By linear probing a look-up that finds nothing passes over 4.1 slots
 * then (Knuth, TAOCP 3, 6.4: (1 + 1 / (1 - load)²) / 2), which are in one cache line mostly.
 */
export const loadFactorMax = 5 / 8;
/** Pages of the new slots touched per insert. Touching ends long before the slots in use are full. */
const pagesTouchedPerInsert = 4;
/** Old slots moved per insert: two cache lines read, and two written to each half of the new slots. */
const slotsMovedPerInsert = 16;
/** Of a name, what is prepared: a number, or half a UUID. */
const nameWordsPrepared = 4;

/**
 * Words of an entry. The first SKU a buyer buys is counted in the entry itself; further ones in a chain of
 * accounts. Links are stored plus one, so that zeroed memory reads as "none".
 */
const entry = {
  words: 8,
  saleNumber: 0,
  name: 1,
  nameBytes: 2,
  firstOrder: 3,
  lastOrder: 4,
  row: 5,
  units: 6,
  accounts: 7,
} as const;
const account = { words: 3, row: 0, units: 1, next: 2 } as const;

export class BuyerTable {
  /** Public, so that the loads of `prefetch` count as used and are not optimised away. */
  prefetched = 0;
  readonly #max: number;
  readonly #entries: Int32Array<ArrayBuffer>;
  readonly #names: Int32Array<ArrayBuffer>;
  readonly #accounts: Int32Array;
  readonly #entryPages: Pages;
  readonly #namePages: Pages;
  #count = 0;
  #nameWords = 0;
  #accountCount = 0;
  #slots = new Int32Array(slotsAtStart * 2);
  #mask = slotsAtStart - 1;
  /** Entries that the slots in use are for. */
  #countMax = slotsAtStart * loadFactorMax;
  /** The next slots while they are being touched. */
  #next: Pages | undefined = undefined;
  /** Slots that are being prepared: more than the next ones, which have to be there in time. */
  #ahead: Pages | undefined = undefined;
  /** The former slots while they are being moved. */
  #old: Int32Array | undefined = undefined;
  #oldMask = 0;
  #oldMoved = 0;

  /** Room for `max` entries. Memory is reserved at once and taken from the system as it is touched. */
  constructor(max: number) {
    this.#max = max;
    this.#entries = new Int32Array(max * entry.words);
    this.#names = new Int32Array(max * 16);
    this.#accounts = new Int32Array(max * account.words);
    this.#entryPages = new Pages(this.#entries);
    this.#namePages = new Pages(this.#names);
  }

  get count(): number {
    return this.#count;
  }

  hasRoom(): boolean {
    return this.#count < this.#max && this.#accountCount < this.#max;
  }

  /**
   * Fetches the slots that look-ups of the first `count` hashes start at. A look-up waits for memory most of the
   * time; this loop is so short that the processor has many of the waits overlap (group prefetching: Chen et al.,
   * "Improving Hash Join Performance through Prefetching", ICDE 2004).
   */
  prefetch(hashes: Int32Array, count: number): void {
    this.prefetched = fetchSlots(this.#slots, this.#mask, hashes, count);
    if (this.#old !== undefined) this.prefetched ^= fetchSlots(this.#old, this.#oldMask, hashes, count);
  }

  /** The entry of a buyer in a sale, or -1. `hash` covers sale number and buyer. */
  find(hash: number, saleNumber: number, words: Int32Array, at: number, bytes: number): number {
    const found = this.#probe(this.#slots, this.#mask, hash, saleNumber, words, at, bytes);
    if (found !== -1 || this.#old === undefined) return found;
    return this.#probe(this.#old, this.#oldMask, hash, saleNumber, words, at, bytes);
  }

  #probe(
    slots: Int32Array,
    mask: number,
    hash: number,
    saleNumber: number,
    words: Int32Array,
    at: number,
    bytes: number,
  ): number {
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const ref = slots[i * 2 + 1]! - 1;
      if (ref === -1) return -1;
      if (slots[i * 2] === hash) {
        const base = ref * entry.words;
        if (
          this.#entries[base + entry.nameBytes] === bytes &&
          this.#entries[base + entry.saleNumber] === saleNumber &&
          sameWords(this.#names, this.#entries[base + entry.name]!, words, at, textWords(bytes))
        ) {
          return ref;
        }
      }
    }
  }

  /**
   * Adds a buyer that is not there with his first order, and returns the entry. Only stores: a load from the new
   * entry would wait for memory that nobody has touched yet.
   */
  insert(
    hash: number,
    saleNumber: number,
    words: Int32Array,
    at: number,
    bytes: number,
    order: number,
    row: number,
    quantity: number,
  ): number {
    assert(this.hasRoom(), 'room for a buyer was checked');
    this.#grow();
    const ref = this.#count++;
    const base = ref * entry.words;
    const count = textWords(bytes);
    this.#entries[base + entry.saleNumber] = saleNumber;
    this.#entries[base + entry.name] = this.#nameWords;
    this.#entries[base + entry.nameBytes] = bytes;
    this.#entries[base + entry.firstOrder] = order + 1;
    this.#entries[base + entry.lastOrder] = order + 1;
    this.#entries[base + entry.row] = row + 1;
    this.#entries[base + entry.units] = quantity;
    copyWords(words, at, this.#names, this.#nameWords, count);
    this.#nameWords += count;
    this.#put(hash, ref + 1);
    return ref;
  }

  #put(hash: number, stored: number): void {
    let i = hash & this.#mask;
    while (this.#slots[i * 2 + 1] !== 0) i = (i + 1) & this.#mask;
    this.#slots[i * 2] = hash;
    this.#slots[i * 2 + 1] = stored;
  }

  /** One insert's share of growing. */
  #grow(): void {
    if (this.#old !== undefined) {
      this.#move(this.#old, slotsMovedPerInsert);
    } else if (this.#next !== undefined) {
      const touched = this.#next.touch(0, this.#next.words.length, pagesTouchedPerInsert);
      if (touched < pagesTouchedPerInsert) this.#replaceSlots(this.#next.words);
    } else if (this.#count >= this.#countMax) {
      this.#next = new Pages(new Int32Array(this.#slots.length * 2));
    }
  }

  /** Goes on with slots that were touched; those in use so far have yet to move. */
  #replaceSlots(slots: Int32Array<ArrayBuffer>): void {
    this.#old = this.#slots;
    this.#oldMask = this.#mask;
    this.#oldMoved = 0;
    this.#slots = slots;
    this.#mask = slots.length / 2 - 1;
    this.#countMax = (this.#mask + 1) * loadFactorMax;
    this.#next = undefined;
    this.#ahead = undefined;
  }

  #move(old: Int32Array, count: number): void {
    const end = Math.min(this.#oldMoved + count, this.#oldMask + 1);
    for (let i = this.#oldMoved; i < end; i++) {
      const stored = old[i * 2 + 1]!;
      if (stored !== 0) this.#put(old[i * 2]!, stored);
    }
    this.#oldMoved = end;
    if (end > this.#oldMask) this.#old = undefined;
  }

  /**
   * Gets memory ready for so many more buyers, as far as there is room: their inserts then wait neither for the system nor
   * for slots to move. A share of it at a time.
   *
   * @returns pages of memory that it went through: fewer than `pagesMax` once all is ready
   */
  prepare(more: number, pagesMax: number): number {
    const count = Math.min(this.#count + more, this.#max);
    let pages = this.#prepareSlots(count, pagesMax);
    pages += this.#entryPages.touch(this.#count * entry.words, count * entry.words, pagesMax - pages);
    const nameWords = this.#nameWords + (count - this.#count) * nameWordsPrepared;
    return pages + this.#namePages.touch(this.#nameWords, nameWords, pagesMax - pages);
  }

  #prepareSlots(count: number, pagesMax: number): number {
    const moved = this.#moveMany(pagesMax);
    if (this.#old !== undefined || count <= this.#countMax) return moved;
    const words = slotsFor(count) * 2;
    if (this.#ahead?.words.length !== words) this.#ahead = new Pages(new Int32Array(words));
    const touched = this.#ahead.touch(0, words, pagesMax - moved);
    if (moved + touched === pagesMax) return pagesMax;
    this.#replaceSlots(this.#ahead.words);
    return moved + touched + this.#moveMany(pagesMax - moved - touched);
  }

  /** Moves up to so many pages of former slots, and returns how many it moved. */
  #moveMany(pagesMax: number): number {
    let pages = 0;
    for (; this.#old !== undefined && pages < pagesMax; pages++) this.#move(this.#old, pageWords / 2);
    return pages;
  }

  /** Units of a SKU that a buyer has in orders that are neither cancelled nor expired. */
  purchased(ref: number, row: number): number {
    const base = ref * entry.words;
    if (this.#entries[base + entry.row] === row + 1) return this.#entries[base + entry.units]!;
    const at = this.#account(base, row);
    return at === -1 ? 0 : this.#accounts[at + account.units]!;
  }

  /** Adds to what a buyer has of a SKU; a negative quantity gives back. */
  addPurchase(ref: number, row: number, quantity: number): void {
    const base = ref * entry.words;
    if (this.#entries[base + entry.row] === row + 1) {
      this.#entries[base + entry.units] = this.#entries[base + entry.units]! + quantity;
      assert(this.#entries[base + entry.units]! >= 0, 'a buyer never has less than nothing');
      return;
    }
    let at = this.#account(base, row);
    if (at === -1) {
      at = this.#accountCount++ * account.words;
      this.#accounts[at + account.row] = row + 1;
      this.#accounts[at + account.next] = this.#entries[base + entry.accounts]!;
      this.#entries[base + entry.accounts] = this.#accountCount;
    }
    this.#accounts[at + account.units] = this.#accounts[at + account.units]! + quantity;
    assert(this.#accounts[at + account.units]! >= 0, 'a buyer never has less than nothing');
  }

  /** Word of a buyer's account for a row, or -1. As long as the SKUs of one sale that one buyer bought. */
  #account(base: number, row: number): number {
    for (let link = this.#entries[base + entry.accounts]!; link !== 0; ) {
      const at = (link - 1) * account.words;
      if (this.#accounts[at + account.row] === row + 1) return at;
      link = this.#accounts[at + account.next]!;
    }
    return -1;
  }

  /** The buyer's oldest order. */
  firstOrder(ref: number): number {
    return this.#entries[ref * entry.words + entry.firstOrder]! - 1;
  }

  /** Appends a further order to the buyer's list and returns the one before it. */
  appendOrder(ref: number, order: number): number {
    const at = ref * entry.words + entry.lastOrder;
    const last = this.#entries[at]! - 1;
    this.#entries[at] = order + 1;
    return last;
  }

  /** Length of the buyer's name in bytes. */
  nameBytes(ref: number): number {
    return this.#entries[ref * entry.words + entry.nameBytes]!;
  }

  saleNumber(ref: number): number {
    return this.#entries[ref * entry.words + entry.saleNumber]!;
  }

  /** Copies the buyer's name to word `at` of `to`, and returns its length in bytes. */
  copyName(ref: number, to: Int32Array, at: number): number {
    const bytes = this.nameBytes(ref);
    copyWords(this.#names, this.#entries[ref * entry.words + entry.name]!, to, at, textWords(bytes));
    return bytes;
  }
}

/** Slots for so many buyers without doubling. */
function slotsFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(count / loadFactorMax));
}

/** Four at a time: the less there is to do between two loads, the more of them the processor has under way. */
function fetchSlots(slots: Int32Array, mask: number, hashes: Int32Array, count: number): number {
  let sum = 0;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const first = slots[(hashes[i]! & mask) << 1]! ^ slots[(hashes[i + 1]! & mask) << 1]!;
    const second = slots[(hashes[i + 2]! & mask) << 1]! ^ slots[(hashes[i + 3]! & mask) << 1]!;
    sum ^= first ^ second;
  }
  for (; i < count; i++) sum ^= slots[(hashes[i]! & mask) << 1]!;
  return sum;
}

// From the insert at which the slots are to double, touching twice the slots, 8 bytes each, takes 16 * slots / 4096 / pages inserts; moving takes slots / moved.
// Both together must leave the slots in use less than three quarters full.
assert(
  16 / (pageWords * 4) / pagesTouchedPerInsert + 1 / slotsMovedPerInsert < 3 / 4 - loadFactorMax,
  'growing ends before the slots are full',
);
