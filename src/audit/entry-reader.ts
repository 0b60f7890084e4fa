/**
 * The auditor's own reader of journal entries. It takes nothing for granted: an entry that is not exactly as drawn in
 * entry.ts is wrong. Pure.
 */
import { contract } from './contract.js';
import {
  type AcceptedEntry,
  type ControlledEntry,
  type DefinedEntry,
  type Entry,
  type RemovedEntry,
  type RestockedEntry,
  SaleState,
  type SettledEntry,
  type TextAt,
  typeNames,
} from './entry.js';
import { TextCheck } from './text-check.js';
import { wrong } from './wrong.js';

const durabilityBits = 3;
const bornConfirmedBit = 4;

const settledTypes: Readonly<Record<number, SettledEntry['type']>> = {
  2: 'confirmed',
  3: 'cancelled',
  4: 'expired',
  9: 'reacquired',
};

const noText = (): TextAt => ({ at: 0, bytes: 0 });
const wordsOf = (bytes: number): number => (bytes + 3) >> 2;

/** Reads the entries of a commit one after the other. What `next` returns is valid until it is called again. */
export class EntryReader {
  readonly #texts = new TextCheck();
  readonly #accepted: AcceptedEntry = {
    type: 'accepted',
    row: 0,
    quantity: 0,
    orderNumber: 0,
    sequence: 0,
    durability: 0,
    bornConfirmed: false,
    buyer: noText(),
    key: noText(),
  };
  readonly #settled: SettledEntry = { type: 'confirmed', orderNumber: 0 };
  readonly #restocked: RestockedEntry = { type: 'restocked', row: 0, quantity: 0, key: noText() };
  readonly #defined: DefinedEntry = {
    type: 'defined',
    row: 0,
    revision: 0,
    saleNumber: 0,
    stock: 0,
    limitPerBuyer: 0,
    holdSeconds: 0,
    startsAtMs: 0,
    endsAtMs: 0,
    state: SaleState.running,
    spread: false,
    sale: noText(),
    sku: noText(),
  };
  readonly #removed: RemovedEntry = { type: 'removed', row: 0 };
  readonly #controlled: ControlledEntry = { type: 'controlled', saleNumber: 0, state: SaleState.running };
  #words: Int32Array = new Int32Array(0);
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Goes to the entries at words `from` to `end` of a commit. */
  open(words: Int32Array, bytes: Buffer, from: number, end: number): void {
    this.#words = words;
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** The name of the next entry's type, for who has to say where something is wrong. */
  get nextType(): string | undefined {
    return this.#at < this.#end ? typeNames[this.#words[this.#at]! & 0xff] : undefined;
  }

  /** Whether all words were read. */
  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  next(): Entry {
    const at = this.#at;
    if (at >= this.#end) wrong('the commit says it has more entries than its words hold');
    const head = this.#words[at]!;
    const length = (head >>> 8) & 0xff;
    if (length === 0 || at + length > this.#end) wrong('the entry does not end within its commit');
    this.#at = at + length;
    const entry = this.#read(at, head & 0xff, length, head >>> 16);
    return entry;
  }

  #read(at: number, type: number, length: number, small: number): Entry {
    switch (type) {
      case 1:
        return this.#readAccepted(at, length, small);
      case 2:
      case 3:
      case 4:
      case 9:
        this.#expect(length, 2, small, 0);
        this.#settled.type = settledTypes[type]!;
        this.#settled.orderNumber = this.#words[at + 1]!;
        return this.#settled;
      case 5:
        return this.#readRestocked(at, length, small);
      case 6:
        return this.#readDefined(at, length, small);
      case 7:
        this.#expect(length, 2, small, 0);
        this.#removed.row = this.#words[at + 1]!;
        return this.#removed;
      case 8:
        this.#expect(length, 2, 0, 0);
        this.#controlled.saleNumber = this.#words[at + 1]!;
        this.#controlled.state = stateOf(small);
        return this.#controlled;
      default:
        return wrong(`there is no entry of type ${type}`);
    }
  }

  #expect(length: number, expected: number, small: number, expectedSmall: number): void {
    if (length !== expected) wrong(`the entry has ${length} words instead of ${expected}`);
    if (small !== expectedSmall) wrong('the entry has bits set that mean nothing');
  }

  #readAccepted(at: number, length: number, small: number): AcceptedEntry {
    const words = this.#words;
    const entry = this.#accepted;
    const place = words[at + 1]!;
    const flags = place >>> 16;
    const lengths = length > 4 ? words[at + 4]! : 0;
    entry.row = place & 0xffff;
    entry.quantity = small;
    entry.orderNumber = words[at + 2]!;
    entry.sequence = words[at + 3]!;
    entry.durability = flags & durabilityBits;
    entry.bornConfirmed = (flags & bornConfirmedBit) !== 0;
    entry.buyer.bytes = lengths & 0xff;
    entry.key.bytes = lengths >>> 8;
    entry.buyer.at = at + 5;
    entry.key.at = at + 5 + wordsOf(entry.buyer.bytes);
    this.#expect(length, 5 + wordsOf(entry.buyer.bytes) + wordsOf(entry.key.bytes), flags >>> 3, 0);
    this.#text('buyer', entry.buyer, 1);
    this.#text('idempotency key', entry.key, 0);
    return entry;
  }

  #readRestocked(at: number, length: number, small: number): RestockedEntry {
    const entry = this.#restocked;
    entry.row = this.#words[at + 1]!;
    entry.quantity = this.#words[at + 2]!;
    entry.key.bytes = length > 3 ? this.#words[at + 3]! >>> 0 : 0;
    entry.key.at = at + 4;
    // Lengths are checked before they are rounded up: a negative one would look small.
    if (entry.key.bytes > contract.textBytesMax) wrong('the idempotency key is too long');
    this.#expect(length, 4 + wordsOf(entry.key.bytes), small, 0);
    this.#text('idempotency key', entry.key, 0);
    return entry;
  }

  #readDefined(at: number, length: number, small: number): DefinedEntry {
    const words = this.#words;
    const entry = this.#defined;
    if (length < 12) wrong(`the entry has ${length} words, too few for a definition`);
    entry.row = words[at + 1]!;
    entry.revision = words[at + 2]!;
    entry.saleNumber = words[at + 3]!;
    entry.stock = words[at + 4]!;
    entry.limitPerBuyer = words[at + 5]!;
    entry.holdSeconds = words[at + 6]!;
    entry.startsAtMs = this.#bytes.readDoubleLE((at + 7) * 4);
    entry.endsAtMs = this.#bytes.readDoubleLE((at + 9) * 4);
    entry.sale.bytes = words[at + 11]! & 0xff;
    entry.sku.bytes = words[at + 11]! >>> 8;
    entry.sale.at = at + 12;
    entry.sku.at = at + 12 + wordsOf(entry.sale.bytes);
    entry.state = stateOf(small & 0xff);
    entry.spread = (small & 0x100) !== 0;
    this.#expect(length, 12 + wordsOf(entry.sale.bytes) + wordsOf(entry.sku.bytes), small >>> 9, 0);
    this.#id('sale id', entry.sale);
    this.#id('SKU id', entry.sku);
    return entry;
  }

  #text(what: string, { at, bytes }: TextAt, bytesMin: number): void {
    if (bytes < bytesMin || bytes > contract.textBytesMax) {
      wrong(`the ${what} is of ${bytes} bytes; ${bytesMin} to ${contract.textBytesMax} are allowed`);
    }
    if (!this.#texts.isPrintable(this.#bytes, at * 4, bytes)) wrong(`the ${what} is not printable UTF-8`);
  }

  #id(what: string, { at, bytes }: TextAt): void {
    if (bytes < 1 || bytes > contract.idBytesMax) {
      wrong(`the ${what} is of ${bytes} bytes; 1 to ${contract.idBytesMax} are allowed`);
    }
    if (!this.#texts.isId(this.#bytes, at * 4, bytes)) wrong(`the ${what} has characters no id has`);
  }

  /** A text of the entry that was returned last. */
  textOf({ at, bytes }: TextAt): string {
    return this.#bytes.toString('utf8', at * 4, at * 4 + bytes);
  }

  /** The words that texts of that entry are in. */
  get words(): Int32Array {
    return this.#words;
  }
}

function stateOf(value: number): SaleState {
  if (value > SaleState.ended) wrong(`there is no sale state ${value}`);
  return value as SaleState;
}
