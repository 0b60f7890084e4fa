/**
 * Recognises the body of an order that is written as one before it was, but for its names. In a rush all buyers use the
 * same few apps, and an app writes all its orders in one way, down to the spaces: what JSON.parse has told of one body then
 * holds for the next one, and to compare takes a fraction of the time of parsing. This knows nothing of JSON: it is
 * JSON.parse that is asked, once per way of writing, which parts of a body are the two names. One per server, on its thread.
 */
import { limits } from '../config.js';
import { isOrderBody, type OrderBody } from '../sale/schema.js';
import { asciiBytes, asciiText, backslash, quote } from './body-text.js';
import { parseJson } from './requests.js';

/** What a way of writing an order has beside the two names. */
interface Shape {
  readonly before: Uint8Array;
  readonly between: Uint8Array;
  readonly after: Uint8Array;
  readonly skuFirst: boolean;
  readonly quantity: number;
  /** Bodies since the last lesson. */
  hits: number;
}

/** Names that are put in the place of a body's own, to see whether the parser finds them there. They have to differ. */
const probes = { sku: 'probe-1', buyer: 'probe-2' } as const;
/** Strings in an order's JSON, the names of its properties included. */
const stringsMax = 5;

export class OrderShapes {
  readonly #shapes: Shape[] = [];
  /** The one that was recognised last. */
  #latest: Shape | undefined = undefined;
  #untilLesson = 1;
  /** Of the body at hand: where its names are. */
  #skuAt = 0;
  #skuEnd = 0;
  #buyerAt = 0;
  #buyerEnd = 0;
  /** The SKU of the body before: in a rush nearly all name the same. */
  #skuBytes = new Uint8Array(0);
  #sku = '';
  #buyer = '';

  /**
   * Whether the body is written in a way that is known. Then it is an order: its names are printable ASCII, and the buyer's
   * has a valid length; whether there is such a SKU nobody has looked. What it says is in `sku`, `buyer` and `quantity`
   * until the next call.
   */
  recognise(bytes: Uint8Array): boolean {
    const latest = this.#latest;
    if (latest === undefined) return false;
    if (!this.#matches(latest, bytes) && !this.#matchesAnother(latest, bytes)) return false;
    const buyerBytes = this.#buyerEnd - this.#buyerAt;
    if (buyerBytes === 0 || buyerBytes > limits.buyerBytesMax) return false;
    this.#latest!.hits += 1;
    if (!this.#sameSku(bytes)) this.#readSku(bytes);
    this.#buyer = asciiText(bytes, this.#buyerAt, this.#buyerEnd);
    return true;
  }

  get sku(): string {
    return this.#sku;
  }

  get buyer(): string {
    return this.#buyer;
  }

  /** Units. */
  get quantity(): number {
    return this.#latest!.quantity;
  }

  #matchesAnother(latest: Shape, bytes: Uint8Array): boolean {
    for (const shape of this.#shapes) {
      if (shape === latest || !this.#matches(shape, bytes)) continue;
      this.#latest = shape;
      return true;
    }
    return false;
  }

  #matches({ before, between, after, skuFirst }: Shape, bytes: Uint8Array): boolean {
    const { length } = bytes;
    if (!has(bytes, 0, before, length)) return false;
    const first = before.length;
    const firstEnd = endOfName(bytes, first);
    if (!has(bytes, firstEnd, between, length)) return false;
    const second = firstEnd + between.length;
    const secondEnd = endOfName(bytes, second);
    if (length - secondEnd !== after.length || !has(bytes, secondEnd, after, length)) return false;
    this.#skuAt = skuFirst ? first : second;
    this.#skuEnd = skuFirst ? firstEnd : secondEnd;
    this.#buyerAt = skuFirst ? second : first;
    this.#buyerEnd = skuFirst ? secondEnd : firstEnd;
    return true;
  }

  #sameSku(bytes: Uint8Array): boolean {
    const { length } = this.#skuBytes;
    return this.#skuEnd - this.#skuAt === length && has(bytes, this.#skuAt, this.#skuBytes, this.#skuEnd);
  }

  #readSku(bytes: Uint8Array): void {
    this.#skuBytes = bytes.slice(this.#skuAt, this.#skuEnd);
    this.#sku = asciiText(bytes, this.#skuAt, this.#skuEnd);
  }

  /**
   * Told of a body that was not recognised, and is plain, and is the order `body`. Now and then it takes the way it is
   * written over, in place of the one that is used least.
   */
  learn(text: string, body: OrderBody): void {
    this.#untilLesson -= 1;
    if (this.#untilLesson > 0) return;
    this.#untilLesson = limits.strangeBodiesPerLesson;
    const shape = shapeOf(text, body);
    if (shape === undefined) return;
    if (this.#shapes.length >= limits.orderShapesMax) this.#dropLeastUsed();
    for (const other of this.#shapes) other.hits = 0;
    this.#shapes.push(shape);
    this.#latest = shape;
  }

  #dropLeastUsed(): void {
    let least = 0;
    for (let i = 1; i < this.#shapes.length; i++) {
      if (this.#shapes[i]!.hits < this.#shapes[least]!.hits) least = i;
    }
    this.#shapes.splice(least, 1);
  }
}

/**
 * How an order is written that is plain: it has no backslash, so every quote in it begins or ends a string. Undefined where
 * the parser finds the two names anywhere but where they seem to be.
 */
function shapeOf(text: string, body: OrderBody): Shape | undefined {
  // What is between two quotes is at the odd places.
  const pieces = text.split('"');
  if (pieces.length > 2 * stringsMax + 1) return undefined;
  for (let skuAt = 1; skuAt < pieces.length; skuAt += 2) {
    if (pieces[skuAt] !== body.sku) continue;
    for (let buyerAt = 1; buyerAt < pieces.length; buyerAt += 2) {
      if (pieces[buyerAt] !== body.buyer) continue;
      if (provesRight(pieces, skuAt, buyerAt)) return cut(pieces, skuAt, buyerAt, body);
    }
  }
  return undefined;
}

/**
 * Whether other names in these two places are read as the order's. A string that another one without quotes, backslashes
 * and control characters takes the place of leaves the rest of a JSON text as it is; so what holds for these names holds for
 * all.
 */
function provesRight(pieces: readonly string[], skuAt: number, buyerAt: number): boolean {
  const probed = [...pieces];
  probed[skuAt] = probes.sku;
  probed[buyerAt] = probes.buyer;
  const seen = parseJson(probed.join('"'));
  return isOrderBody(seen) && seen.sku === probes.sku && seen.buyer === probes.buyer;
}

function cut(pieces: readonly string[], skuAt: number, buyerAt: number, { quantity }: OrderBody): Shape {
  const first = Math.min(skuAt, buyerAt);
  const second = Math.max(skuAt, buyerAt);
  const join = (from: number, to: number) => pieces.slice(from, to).join('"');
  return {
    before: asciiBytes(`${join(0, first)}"`),
    between: asciiBytes(`"${join(first + 1, second)}"`),
    after: asciiBytes(`"${join(second + 1, pieces.length)}`),
    skuFirst: skuAt < buyerAt,
    quantity: quantity ?? 1,
    hits: 0,
  };
}

/** Whether `part` is in the bytes at `at`, and ends at `end` or before. */
function has(bytes: Uint8Array, at: number, part: Uint8Array, end: number): boolean {
  if (at + part.length > end) return false;
  for (let i = 0; i < part.length; i++) {
    if (bytes[at + i] !== part[i]) return false;
  }
  return true;
}

/** Where the name that begins at `at` has its closing quote; past the end where it is no name of printable ASCII. */
function endOfName(bytes: Uint8Array, at: number): number {
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === quote) return i;
    if (byte < 0x20 || byte > 0x7e || byte === backslash) break;
  }
  return bytes.length;
}
