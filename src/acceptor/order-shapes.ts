/**
 * Recognises the body of an order that is written as one before it was, but for its names. In a rush all buyers use the
 * same few apps, and an app writes all its orders in one way, down to the spaces: what JSON.parse has told of one body then
 * holds for the next one, and to compare takes a fraction of the time of parsing. Nothing here reads JSON: it is JSON.parse
 * that is asked, once per way of writing, whether two parts of a body are its names. One per server, on its thread.
 */
import { assert } from '../assert.js';
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
  /** How many lessons there had been when it was recognised last. */
  used: number;
  /** Whether a body was recognised by it since it was learned. */
  useful: boolean;
}

/** Names that are put in the place of a body's own, to see whether the parser finds them there. They have to differ. */
const probes = { sku: 'probe-1', buyer: 'probe-2' } as const;
/** Strings in an order's JSON: three names of properties, and two that are their values. */
const stringsMax = 5;

export class OrderShapes {
  readonly #shapes: Shape[] = [];
  /** That of the body that was recognised last. */
  #latest: Shape | undefined = undefined;
  #lessons = 0;
  #untilLesson = 1;
  #strangeBodiesPerLesson: number = limits.strangeBodiesPerLessonMin;
  /** What was before and after the buyer's name in that body, with its SKU: in a rush it is so in nearly all. */
  readonly #prefix = new Uint8Array(limits.recognisedBodyBytesMax);
  readonly #suffix = new Uint8Array(limits.recognisedBodyBytesMax);
  #prefixLength = 0;
  #suffixLength = 0;
  #sku = '';
  #buyer = '';

  /**
   * Whether the body is written in a way that is known. Then it is an order: its names are printable ASCII, and the buyer's
   * has a valid length; whether there is such a SKU nobody has looked. What it says is in `sku`, `buyer` and `quantity`
   * until the next call.
   */
  recognise(bytes: Uint8Array): boolean {
    if (this.#latest === undefined || bytes.length > limits.recognisedBodyBytesMax) return false;
    if (!this.#isLikeLast(bytes) && !this.#findShape(bytes)) return false;
    this.#latest.useful = true;
    const start = this.#prefixLength;
    const end = bytes.length - this.#suffixLength;
    if (end === start || end - start > limits.buyerBytesMax) return false;
    this.#buyer = asciiText(bytes, start, end);
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

  #isLikeLast(bytes: Uint8Array): boolean {
    const start = this.#prefixLength;
    const end = bytes.length - this.#suffixLength;
    return (
      end >= start &&
      has(bytes, 0, this.#prefix, start) &&
      endOfName(bytes, start) === end &&
      has(bytes, end, this.#suffix, this.#suffixLength)
    );
  }

  #findShape(bytes: Uint8Array): boolean {
    for (const shape of this.#shapes) {
      if (this.#matches(shape, bytes)) return true;
    }
    return false;
  }

  #matches(shape: Shape, bytes: Uint8Array): boolean {
    const { before, between, after, skuFirst } = shape;
    const first = before.length;
    if (!has(bytes, 0, before, first)) return false;
    const firstEnd = endOfName(bytes, first);
    const second = firstEnd + between.length;
    if (!has(bytes, firstEnd, between, between.length)) return false;
    const secondEnd = endOfName(bytes, second);
    if (bytes.length - secondEnd !== after.length || !has(bytes, secondEnd, after, after.length))
      return false;
    shape.used = this.#lessons;
    this.#latest = shape;
    if (skuFirst) this.#remember(bytes, first, firstEnd, second, secondEnd);
    else this.#remember(bytes, second, secondEnd, first, firstEnd);
    return true;
  }

  #remember(bytes: Uint8Array, skuAt: number, skuEnd: number, buyerAt: number, buyerEnd: number): void {
    this.#sku = asciiText(bytes, skuAt, skuEnd);
    this.#prefixLength = buyerAt;
    this.#suffixLength = bytes.length - buyerEnd;
    for (let i = 0; i < buyerAt; i++) this.#prefix[i] = bytes[i]!;
    for (let i = buyerEnd; i < bytes.length; i++) this.#suffix[i - buyerEnd] = bytes[i]!;
  }

  /**
   * Told of a body that was not recognised, and is plain, and is the order `body`. Now and then it takes the way it is
   * written over, in place of the one that was not used for longest; more seldom while what it takes over is of no use.
   */
  learn(text: string, body: OrderBody): void {
    if (text.length > limits.recognisedBodyBytesMax) return;
    this.#untilLesson -= 1;
    if (this.#untilLesson > 0) return;
    this.#untilLesson = this.#strangeBodiesPerLesson;
    const shape = shapeOf(text, body);
    if (shape === undefined) return;
    this.#lessons += 1;
    if (this.#shapes.length >= limits.orderShapesMax) this.#dropOldest();
    this.#shapes.push(shape);
    assert(this.#matches(shape, asciiBytes(text)), 'a body is written as it is written');
  }

  #dropOldest(): void {
    let oldest = 0;
    for (let i = 1; i < this.#shapes.length; i++) {
      if (this.#shapes[i]!.used < this.#shapes[oldest]!.used) oldest = i;
    }
    const [dropped] = this.#shapes.splice(oldest, 1);
    const { strangeBodiesPerLessonMin, strangeBodiesPerLessonMax } = limits;
    this.#strangeBodiesPerLesson = dropped!.useful
      ? strangeBodiesPerLessonMin
      : Math.min(2 * this.#strangeBodiesPerLesson, strangeBodiesPerLessonMax);
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
  // Where one is found it has to be where it was put.
  if (pieces.includes(probes.sku) || pieces.includes(probes.buyer)) return undefined;
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
    used: 0,
    useful: false,
  };
}

/** Whether the first `count` bytes of `part` are in `bytes` at `at`. */
function has(bytes: Uint8Array, at: number, part: Uint8Array, count: number): boolean {
  if (at + count > bytes.length) return false;
  for (let i = 0; i < count; i++) {
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
