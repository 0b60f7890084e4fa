/** Rings: where the bytes lie, what claim, publish and drain do, and two threads that park and wake each other. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  replyLayout,
  requestLayout,
  ringLayout,
  stockLayout,
  threadLayout,
} from '../../dist/memory/layout.js';
import { type Reply, readReply, writeReply } from '../../dist/memory/records.js';
import { allocateRing, RingConsumer, RingProducer } from '../../dist/memory/ring.js';
import { ThreadTable } from '../../dist/memory/thread-table.js';
import { runs, seeded } from '../support/random.js';
import { seed } from '../support/seed.js';
import { Threads } from '../support/threads.js';
import { within } from '../support/until.js';

describe('the layout', () => {
  /** Byte ranges of a record's fields: words, then f64 by their index, then texts of 64 bytes. */
  function ranges(words: number[], doubles: number[], texts: number[]): [from: number, to: number][] {
    return [
      ...words.map((word): [number, number] => [word * 4, word * 4 + 4]),
      ...doubles.map((index): [number, number] => [index * 8, index * 8 + 8]),
      ...texts.map((word): [number, number] => [word * 4, word * 4 + 64]),
    ];
  }

  const request = ranges(
    [
      requestLayout.opcode,
      requestLayout.slot,
      requestLayout.generation,
      requestLayout.row,
      requestLayout.revision,
      requestLayout.quantity,
      requestLayout.lengths,
      requestLayout.orderNumber,
      requestLayout.holdSeconds,
      requestLayout.limitPerBuyer,
      requestLayout.saleNumber,
      requestLayout.saleState,
    ],
    [requestLayout.startsAtMs, requestLayout.endsAtMs],
    [requestLayout.text, requestLayout.key],
  );
  const reply = ranges(
    [
      replyLayout.outcome,
      replyLayout.slot,
      replyLayout.generation,
      replyLayout.row,
      replyLayout.orderNumber,
      replyLayout.quantity,
      replyLayout.buyerBytes,
      replyLayout.sequence,
      replyLayout.status,
    ],
    [replyLayout.createdAtMs, replyLayout.expiresAtMs],
    [replyLayout.buyer],
  );

  test.each([
    ['request', request, requestLayout.bytes],
    ['reply', reply, replyLayout.bytes],
  ] as const)('gives every field of a %s record bytes of its own', (_, fields, bytes) => {
    const owners = new Uint8Array(bytes);
    for (const [from, to] of fields) {
      expect(to).toBeLessThanOrEqual(bytes);
      for (let at = from; at < to; at++) owners[at]! += 1;
    }
    expect(Math.max(...owners)).toBe(1);
  });

  test('keeps cursors, rows and thread lines two cache lines apart, and records multiples of 64 bytes apart', () => {
    expect(ringLayout.tailByte - ringLayout.headByte).toBeGreaterThanOrEqual(128);
    expect(ringLayout.recordsByte - ringLayout.tailByte).toBeGreaterThanOrEqual(128);
    expect(stockLayout.rowWords * 4).toBe(128);
    expect(threadLayout.lineWords * 4).toBe(128);
    expect(requestLayout.bytes % 64).toBe(0);
    expect(replyLayout.bytes % 64).toBe(0);
  });

  test('keeps an order by a buyer of 32 bytes, and the answer to it, in the first 64 bytes', () => {
    expect(requestLayout.lengths * 4 + 4).toBeLessThanOrEqual(requestLayout.text * 4);
    expect(requestLayout.text * 4 + 32).toBe(64);
    expect(Math.max(replyLayout.status * 4 + 4, replyLayout.expiresAtMs * 8 + 8)).toBeLessThanOrEqual(64);
  });

  test(seeded('gives back every field of a reply as it was written, in any record of a ring'), () => {
    const ring = new RingProducer(allocateRing(4, replyLayout.bytes), replyLayout.bytes);
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const replies = fc.record({
      outcome: fc.integer({ min: 0, max: 19 }),
      row: word,
      orderNumber: word,
      quantity: word,
      sequence: word,
      createdAtMs: fc.double({ noNaN: true }),
      expiresAtMs: fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.POSITIVE_INFINITY)),
      status: fc.integer({ min: 1, max: 4 }),
      durability: fc.integer({ min: 0, max: 2 }),
      reacquired: fc.boolean(),
    });
    const records = [ring.claim(), ring.claim(), ring.claim()];
    fc.assert(
      fc.property(replies, word, word, fc.nat(2), (given, slot, generation, i) => {
        const at = records[i]!;
        writeReply(ring.words, ring.doubles, at, slot, generation, given as Reply);
        const read = {} as Reply;
        readReply(ring.words, ring.doubles, at, read);
        expect(read).toEqual(given);
        expect(ring.words[at + replyLayout.slot]).toBe(slot);
        expect(ring.words[at + replyLayout.generation]).toBe(generation);
      }),
      runs(200),
    );
  });
});

/** A ring whose cursors start at `cursor`, and its two ends. */
function ringAt(capacity: number, recordBytes: number, cursor: number) {
  const buffer = allocateRing(capacity, recordBytes);
  const words = new Int32Array(buffer);
  words[ringLayout.headByte / 4] = cursor;
  words[ringLayout.tailByte / 4] = cursor;
  return {
    buffer,
    producer: new RingProducer(buffer, recordBytes),
    consumer: new RingConsumer(buffer, recordBytes),
  };
}

/** Just below where a signed and an unsigned 32-bit counter turn over. */
const turns = [0, 2 ** 31 - 3, 2 ** 32 - 3];

describe('a ring', () => {
  test.each([0, 1, 3, 6, 12, 100])('of %i records is refused: it must be a power of two', (capacity) => {
    expect(() => allocateRing(capacity, 128)).toThrow('power of two');
  });

  test('shows nothing before publish, and everything claimed after it', () => {
    const { producer, consumer } = ringAt(8, 64, 0);
    for (const value of [11, 12, 13]) producer.words[producer.claim()] = value;
    expect(consumer.waiting()).toBe(0);
    expect(producer.publish()).toBe(true);
    expect(consumer.waiting()).toBe(3);
    expect([0, 1, 2].map((i) => consumer.words[consumer.at(i)])).toEqual([11, 12, 13]);
  });

  test('says that there was nothing to publish', () => {
    const { producer } = ringAt(8, 64, 0);
    expect(producer.publish()).toBe(false);
    producer.claim();
    producer.publish();
    expect(producer.publish()).toBe(false);
  });

  test.each(turns)(
    'that is full, with cursors from %i, refuses a claim until a record is released',
    (cursor) => {
      const { producer, consumer } = ringAt(4, 64, cursor);
      for (let value = 0; value < 4; value++) producer.words[producer.claim()] = value;
      expect(producer.claim()).toBe(-1);
      expect(producer.free()).toBe(0);
      producer.publish();
      expect(producer.claim()).toBe(-1);
      const first = consumer.at(0);
      consumer.release(1);
      expect(producer.free()).toBe(1);
      expect(producer.claim()).toBe(first);
      expect(producer.claim()).toBe(-1);
      expect([0, 1, 2].map((i) => consumer.words[consumer.at(i)])).toEqual([1, 2, 3]);
    },
  );

  test('is taken over where it stands by a new pair of ends', () => {
    const { buffer, producer, consumer } = ringAt(4, 64, 2 ** 32 - 2);
    for (const value of [1, 2, 3]) producer.words[producer.claim()] = value;
    producer.publish();
    consumer.release(1);
    const nextProducer = new RingProducer(buffer, 64);
    const nextConsumer = new RingConsumer(buffer, 64);
    expect(nextProducer.free()).toBe(2);
    nextProducer.words[nextProducer.claim()] = 4;
    nextProducer.publish();
    expect(nextConsumer.waiting()).toBe(3);
    expect([0, 1, 2].map((i) => nextConsumer.words[nextConsumer.at(i)])).toEqual([2, 3, 4]);
  });

  test('never writes outside its records', () => {
    const { buffer, producer, consumer } = ringAt(4, 128, 0);
    const words = new Int32Array(buffer);
    for (let round = 0; round < 12; round++) {
      const at = producer.claim();
      expect(at * 4).toBeGreaterThanOrEqual(ringLayout.recordsByte);
      expect(at * 4 + 128).toBeLessThanOrEqual(buffer.byteLength);
      words.fill(-1, at, at + 32);
      producer.publish();
      consumer.release(1);
    }
    const cursors = [ringLayout.headByte / 4, ringLayout.tailByte / 4];
    for (let word = 0; word < ringLayout.recordsByte / 4; word++) {
      expect(words[word]).toBe(cursors.includes(word) ? 12 : 0);
    }
  });

  test(
    seeded('behaves as a bounded queue, whatever is claimed, published and drained, across every turn'),
    () => {
      const step = fc.oneof(
        fc.record({ claim: fc.nat(20) }),
        fc.constant({ publish: true }),
        fc.record({ drain: fc.nat(20) }),
      );
      const property = fc.property(
        fc.constantFrom(2, 4, 8, 16),
        fc.constantFrom(64, 128, 192),
        fc.constantFrom(...turns),
        fc.array(step, { maxLength: 60 }),
        (capacity, recordBytes, cursor, steps) => {
          const { producer, consumer } = ringAt(capacity, recordBytes, cursor);
          const claimed: number[] = [];
          const visible: number[] = [];
          let next = 0;
          for (const one of steps) {
            if ('claim' in one) {
              for (let i = 0; i < one.claim; i++) {
                const at = producer.claim();
                expect(at === -1).toBe(claimed.length + visible.length === capacity);
                if (at === -1) break;
                producer.words[at] = next;
                producer.words[at + recordBytes / 4 - 1] = ~next;
                claimed.push(next++);
              }
            } else if ('publish' in one) {
              expect(producer.publish()).toBe(claimed.length > 0);
              visible.push(...claimed.splice(0));
            } else {
              const count = Math.min(one.drain, consumer.waiting());
              for (let i = 0; i < count; i++) {
                const at = consumer.at(i);
                const wanted = visible.shift()!;
                expect(consumer.words[at]).toBe(wanted);
                expect(consumer.words[at + recordBytes / 4 - 1]).toBe(~wanted);
              }
              consumer.release(count);
            }
            expect(consumer.waiting()).toBe(visible.length);
            expect(producer.free()).toBe(capacity - claimed.length - visible.length);
          }
        },
      );
      fc.assert(property, runs(300));
    },
  );
});

describe(seeded('two threads'), () => {
  const threads = new Threads();
  afterEach(() => threads.stop());

  test.each([
    { capacity: 4, recordBytes: 128, records: 100_000, cursor: 2 ** 31 - 1_001 },
    { capacity: 8, recordBytes: 192, records: 250_000, cursor: 2 ** 32 - 1_001 },
    { capacity: 64, recordBytes: 128, records: 1_000_000, cursor: 2 ** 32 - 500_001 },
  ])(
    'pass $records records through a ring of $capacity whole, in order and without a lost wake-up',
    async ({ capacity, recordBytes, records, cursor }) => {
      const { buffer: ring } = ringAt(capacity, recordBytes, cursor);
      const shared = { ring, recordBytes, records, threads: ThreadTable.allocate(1, 1), start: seed };
      const ends = Promise.all([
        threads.run<{ parks: number; full: number }>('ring-end.mjs', { ...shared, role: 'producer' }),
        threads.run<{ parks: number; wrong: number; left: number }>('ring-end.mjs', {
          ...shared,
          role: 'consumer',
        }),
      ]);
      const [producer, consumer] = await within('both threads are done', ends, 50_000);
      expect(consumer.wrong).toBe(0);
      expect(consumer.left).toBe(0);
      // It was a stress: the ring was full and empty often enough for both to park.
      expect(producer.full).toBeGreaterThan(100);
      expect(producer.parks).toBeGreaterThan(100);
      expect(consumer.parks).toBeGreaterThan(100);
    },
  );
});
