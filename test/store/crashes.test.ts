/** Random lives of a store with crashes in between, and power cuts that leave any part of a write: what was acknowledged is there. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Durability } from '../../dist/config.js';
import { TailFile } from '../../dist/store/tail.js';
import { effort } from '../support/effort.js';
import { runs, seeded } from '../support/random.js';
import { crashed, newPath, numbersIn, openStore, tailPath, write } from '../support/stores.js';
import { startsOf } from '../support/tails.js';

describe(seeded('a store over several lives'), () => {
  const life = fc.record({
    durability: fc.constantFrom<Durability>('fsync', 'commit'),
    steps: fc.array(fc.oneof(fc.constant('flush' as const), fc.integer({ min: 1, max: 40 })), {
      maxLength: 8,
    }),
    crashes: fc.boolean(),
    /** Bytes that a torn write left behind the last record. */
    torn: fc.uint8Array({ maxLength: 120 }),
  });

  test('has every batch that was acknowledged, in order, whatever durability, crash and flush came between', async () => {
    const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 5 }), async (lives) => {
      let path = newPath();
      const wanted: { count: number; timeMs: number }[] = [];
      let timeMs = 1_000;
      for (const { durability, steps, crashes, torn } of lives) {
        const found: { count: number; timeMs: number }[] = [];
        const store = await openStore(path, durability, (commit) =>
          found.push({ count: commit.count, timeMs: commit.timeMs }),
        );
        expect(found).toEqual(wanted);
        for (const step of steps) {
          timeMs += 1;
          if (step === 'flush') {
            store.flush();
          } else {
            write(store, step, timeMs);
            wanted.push({ count: step, timeMs });
          }
        }
        const copy = crashes ? crashed(path) : path;
        await store.close();
        path = copy;
        if (crashes) tearBehindRecords(tailPath(path), torn);
      }
      expect(await numbersIn(path)).toEqual(wanted.map((_, i) => i + 1));
    });
    await fc.assert(property, runs(40));
  });

  /** Leaves bytes where the next record would have gone. */
  function tearBehindRecords(file: string, bytes: Uint8Array): void {
    const { records } = TailFile.read(file)!;
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, bytes, 0, bytes.length, startsOf(records).at(-1)!);
    closeSync(descriptor);
  }
});

describe(seeded('a power cut in the middle of a write'), () => {
  const counts = fc.integer({ min: 1, max: 3_000 });
  const step = fc.oneof(
    { weight: 4, arbitrary: counts },
    { weight: 1, arbitrary: fc.constant('flush' as const) },
  );

  /** Some blocks of a file that was being written, the others as they were before. */
  function mixed(before: Buffer, after: Buffer, arrived: readonly boolean[]): Buffer {
    const mix = Buffer.alloc(Math.max(before.length, after.length));
    before.copy(mix);
    for (let at = 0, i = 0; at < after.length; at += 4_096) {
      const block = after.subarray(at, at + 4_096);
      if (block.equals(before.subarray(at, at + 4_096))) continue;
      if (arrived[i++ % arrived.length]) block.copy(mix, at);
    }
    return mix;
  }

  test('leaves every batch that was on disk before, whichever blocks of the last one arrived', async () => {
    const arrived = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      counts,
      arrived,
      async (steps, last, of) => {
        const path = newPath();
        const store = await openStore(path, 'fsync');
        let acknowledged = 0;
        for (const [i, count] of steps.entries()) {
          if (count === 'flush') {
            store.flush();
          } else {
            write(store, count, 1_000 + i);
            acknowledged += 1;
          }
        }
        const before = readFileSync(tailPath(path));
        write(store, last, 2_000);
        const cut = crashed(path);
        await store.close();
        writeFileSync(tailPath(cut), mixed(before, readFileSync(tailPath(cut)), of));
        const found: number[] = [];
        const again = await openStore(cut, 'fsync', ({ number }) => found.push(number));
        const all = Array.from({ length: found.length }, (_, i) => i + 1);
        expect(found).toEqual(all);
        expect([acknowledged, acknowledged + 1]).toContain(found.length);
        write(again, 1, 3_000);
        const after = crashed(cut);
        await again.close();
        expect(await numbersIn(after)).toEqual([...all, found.length + 1]);
      },
    );
    await fc.assert(property, runs(effort(60, 600)));
  });
});
