/**
 * Writes the answer to an accepted order, head and body, straight into bytes. It is what an acceptor makes most, and to
 * join strings, flatten and convert them takes longer than to decide the order. One per server, on its thread; what a
 * call returns is valid until the next one. `orderJson` is the same in plain words, and a test holds them together.
 */
import { assert } from '../assert.js';
import { durabilities, limits } from '../config.js';
import { newReply, type Reply } from '../memory/records.js';
import type { CatalogueSku } from '../sale/catalogue.js';
import { type OrderIds, orderIdChars } from '../sale/order-id.js';
import { statusName } from '../sale/order-state.js';
import { headOf } from './answer.js';
import { asciiBytes, backslash, quote } from './body-text.js';
import { expiryOf } from './order-answers.js';

/** By character: 1 for those that JSON writes as themselves and UTF-8 as one byte. */
const plain = new Uint8Array(128);
plain.fill(1, 0x20, 0x7f);
plain[quote] = 0;
plain[backslash] = 0;
const idAt = '{"orderId":"'.length;
const placeAt = idAt + orderIdChars;
/** JSON's longest way to write a byte of UTF-8 is one of its escapes. */
const escapeChars = '\\u0000'.length;
/** What is neither an id nor a name: punctuation, property names, numbers, times. */
const restBytesMax = 320;
const bodyBytesMax =
  restBytesMax + limits.saleIdBytesMax + limits.skuIdBytesMax + limits.buyerBytesMax * escapeChars;

export class OrderWriter {
  readonly #ids: OrderIds;
  readonly #bytes = Buffer.alloc(bodyBytesMax);
  /** By length: the beginning of `#bytes`. */
  readonly #bodies: (Uint8Array | undefined)[] = [];
  readonly #head: Uint8Array;
  readonly #headIdAt: number;
  /** What the ids in head and body have in common with the next one, if it is a neighbour. */
  #idShard = -1;
  #idHigh = -1;
  /** What stands at `placeAt`, and where it ends. */
  #place: CatalogueSku | undefined = undefined;
  #placeEnd = 0;
  /** From the buyer to the sequence, and from the sequence to the end: they seldom change between orders. */
  #middle = new Uint8Array(0);
  #tail = new Uint8Array(0);
  /** Where in `#tail` the milliseconds of its times stand, three digits before the zone; -1 where it has no such time. */
  #createdMsAt = -1;
  #expiresMsAt = -1;
  /** Where the two stand in `#bytes`; -1 where they have to be written anew. */
  #middleAt = -1;
  #tailAt = -1;
  /** What the two were made from. */
  readonly #last: Pick<
    Reply,
    'quantity' | 'status' | 'createdAtMs' | 'expiresAtMs' | 'durability' | 'reacquired'
  > = newReply();

  constructor(ids: OrderIds) {
    this.#ids = ids;
    const head = headOf(201, 'application/json', ['Location', '/v1/orders/']);
    this.#headIdAt = head.length;
    this.#head = asciiBytes(head + '0'.repeat(orderIdChars));
    this.#bytes.write('{"orderId":"', 'latin1');
  }

  /** The body of the answer about the order that `reply` describes. */
  body(reply: Reply, sku: CatalogueSku, buyer: string): Uint8Array {
    const bytes = this.#bytes;
    this.#writeId(sku.shard, reply.orderNumber);
    if (sku !== this.#place) this.#writePlace(sku);
    this.#refresh(reply);
    // Names and sequences of one length follow one another: then most of the body is in its place already.
    const middleAt = this.#writeBuyer(buyer, this.#placeEnd);
    if (middleAt !== this.#middleAt) copy(this.#middle, bytes, middleAt);
    const tailAt = writeDecimal(bytes, middleAt + this.#middle.length, reply.sequence);
    if (middleAt !== this.#middleAt || tailAt !== this.#tailAt) copy(this.#tail, bytes, tailAt);
    this.#middleAt = middleAt;
    this.#tailAt = tailAt;
    const end = tailAt + this.#tail.length;
    let body = this.#bodies[end];
    if (body === undefined) {
      body = bytes.subarray(0, end);
      this.#bodies[end] = body;
    }
    return body;
  }

  /** The head of the answer whose body was written last, to a new order: 201 and where it is. */
  get createdHead(): Uint8Array {
    return this.#head;
  }

  #writeId(shard: number, number: number): void {
    const ids = this.#ids;
    if (shard === this.#idShard && number >>> 16 === this.#idHigh) {
      ids.rewrite(this.#bytes, idAt, number);
      ids.rewrite(this.#head, this.#headIdAt, number);
      return;
    }
    this.#idShard = shard;
    this.#idHigh = number >>> 16;
    ids.write(this.#bytes, idAt, shard, number);
    ids.write(this.#head, this.#headIdAt, shard, number);
  }

  #writePlace(sku: CatalogueSku): void {
    this.#place = sku;
    const text = `","sale":"${sku.sale.id}","sku":"${sku.sku}","buyer":`;
    this.#placeEnd = placeAt + this.#bytes.write(text, placeAt, 'latin1');
    this.#middleAt = -1;
  }

  #writeBuyer(buyer: string, start: number): number {
    const bytes = this.#bytes;
    const { length } = buyer;
    bytes[start] = quote;
    for (let i = 0; i < length; i++) {
      const unit = buyer.charCodeAt(i);
      if (plain[unit] !== 1) {
        return start + bytes.write(JSON.stringify(buyer), start, 'utf8');
      }
      bytes[start + 1 + i] = unit;
    }
    bytes[start + 1 + length] = quote;
    return start + length + 2;
  }

  /** Renders again what differs from the order before. */
  #refresh(reply: Reply): void {
    const { quantity, status, createdAtMs, expiresAtMs, durability, reacquired } = reply;
    const last = this.#last;
    const sameStatus = status === last.status && this.#tail.length > 0;
    if (!sameStatus || quantity !== last.quantity) {
      last.quantity = quantity;
      this.#middleAt = -1;
      this.#middle = asciiBytes(`,"quantity":${quantity},"status":"${statusName(status)}","sequence":`);
    }
    const sameTail =
      sameStatus &&
      durability === last.durability &&
      reacquired === last.reacquired &&
      sameSecond(createdAtMs, last.createdAtMs) &&
      sameSecond(expiresAtMs, last.expiresAtMs);
    if (!sameTail || createdAtMs !== last.createdAtMs || expiresAtMs !== last.expiresAtMs) {
      last.createdAtMs = createdAtMs;
      last.expiresAtMs = expiresAtMs;
      last.durability = durability;
      last.reacquired = reacquired;
      this.#tailAt = -1;
      if (sameTail) this.#rewriteTail(createdAtMs, expiresAtMs);
      else this.#writeTail(reply);
    }
    last.status = status;
  }

  #writeTail(reply: Reply): void {
    const { createdAtMs, durability, reacquired } = reply;
    const expiry = expiryOf(reply);
    const expiresAt = expiry === null ? 'null' : `"${new Date(expiry).toISOString()}"`;
    const times = `,"createdAt":"${new Date(createdAtMs).toISOString()}","expiresAt":${expiresAt}`;
    const rest = `,"durability":"${durabilities[durability]!}"${reacquired ? ',"reacquired":true' : ''}}`;
    this.#tail = asciiBytes(times + rest);
    this.#createdMsAt = times.indexOf('Z"') - 3;
    this.#expiresMsAt = expiry === null ? -1 : times.lastIndexOf('Z"') - 3;
  }

  /** Writes other times of the same seconds. In a rush the milliseconds are all that changes, a thousand times a second. */
  #rewriteTail(createdAtMs: number, expiresAtMs: number): void {
    writeMilliseconds(this.#tail, this.#createdMsAt, createdAtMs % 1_000);
    if (this.#expiresMsAt !== -1) writeMilliseconds(this.#tail, this.#expiresMsAt, expiresAtMs % 1_000);
  }
}

/** Whether both times, ms since the epoch, are written alike but for their milliseconds. */
function sameSecond(a: number, b: number): boolean {
  return a === b || Math.floor(a / 1_000) === Math.floor(b / 1_000);
}

function writeMilliseconds(bytes: Uint8Array, at: number, milliseconds: number): void {
  bytes[at] = 0x30 + Math.floor(milliseconds / 100);
  bytes[at + 1] = 0x30 + (Math.floor(milliseconds / 10) % 10);
  bytes[at + 2] = 0x30 + (milliseconds % 10);
}

/** Copies a segment. A loop, because a native call costs more than so few bytes. */
function copy(from: Uint8Array, to: Uint8Array, at: number): void {
  for (let i = 0; i < from.length; i++) to[at + i] = from[i]!;
}

/** Writes a non-negative integer and returns where it ends. */
function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  assert(value >= 0, 'a sequence is not negative');
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end += 1;
  for (let i = end - 1, rest = value; i >= at; i--) {
    const tens = (rest / 10) | 0;
    bytes[i] = 0x30 + rest - tens * 10;
    rest = tens;
  }
  return end;
}
