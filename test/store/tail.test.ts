/** The file of a journal's tail, on a real disk: written over again and again, and read as what was written last. */
import fs, { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { TailFile } from '../../dist/store/tail.js';
import { chain } from '../support/commits.js';
import { runs, seeded } from '../support/random.js';
import { tailOf } from '../support/tails.js';
import { tempDir } from '../support/temp-dir.js';

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

test(seeded('a tail holds what was appended since it began again, whatever was there before'), () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 5 });
  const property = fc.property(fc.array(sizes, { minLength: 1, maxLength: 5 }), (generations) => {
    const path = join(tempDir(), 'tail');
    const tail = TailFile.create(path, 'commit');
    const records = chain(generations.flat());
    let next = 0;
    for (const generation of generations) {
      const appended: Buffer[] = [];
      for (const _ of generation) {
        appended.push(records[next++]!);
        tail.append(appended.at(-1)!);
        const content = TailFile.read(path)!;
        expect(content.ends).toBe(true);
        expect(content.records).toEqual(appended);
      }
      tail.clear();
    }
    tail.close();
  });
  fc.assert(property, runs(30));
});

test('writes that are cut short are gone on with, wherever they were cut', () => {
  const [record] = chain([600]);
  const whole = tailOf([record!], 'fsync');
  const all = whole.length - 4_096;
  for (const cut of [
    1,
    95,
    4_096,
    record!.length - 1,
    record!.length,
    record!.length + 1,
    all - 4_096,
    all - 1,
  ]) {
    const path = join(tempDir(), 'tail');
    const tail = TailFile.create(path, 'fsync');
    vi.spyOn(fs, 'writevSync').mockImplementationOnce(((descriptor: number, parts: Buffer[], at: number) =>
      fs.writeSync(descriptor, Buffer.concat(parts), 0, cut, at)) as typeof fs.writevSync);
    syncBuiltinESMExports();
    tail.append(record!);
    tail.close();
    expect(readFileSync(path).equals(whole)).toBe(true);
  }
});

test('a new tail is on disk before it takes the place of the old one, and its place is before it is used', () => {
  const path = join(tempDir(), 'tail');
  const steps: string[] = [];
  const { writeFileSync, renameSync, openSync, fsyncSync } = fs;
  const opened = new Map<number, string>();
  vi.spyOn(fs, 'writeFileSync').mockImplementation(((
    file: string,
    bytes: Buffer,
    options: { flush?: boolean },
  ) => {
    steps.push(`write ${file === `${path}.new` ? 'new' : file}${options.flush === true ? ', flushed' : ''}`);
    writeFileSync(file, bytes, options);
  }) as typeof fs.writeFileSync);
  vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
    steps.push(`rename ${from === `${path}.new` && to === path}`);
    renameSync(from, to);
  });
  vi.spyOn(fs, 'openSync').mockImplementation(((file: string, flags: string) => {
    const descriptor = openSync(file, flags);
    opened.set(descriptor, file);
    return descriptor;
  }) as typeof fs.openSync);
  vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
    steps.push(`flush ${opened.get(descriptor) === dirname(path) ? 'folder' : 'another'}`);
    fsyncSync(descriptor);
  });
  syncBuiltinESMExports();
  TailFile.create(path, 'fsync').close();
  expect(steps.filter((step) => step !== 'flush another')).toEqual([
    'write new, flushed',
    'rename true',
    'flush folder',
  ]);
});
