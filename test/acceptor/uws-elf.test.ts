/**
 * Relinking for an older glibc: what changes in the bundled binaries, and that no damaged file can do harm.
 * Runs on every system: the binaries of all platforms are in the package.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  compareVersions,
  ElfError,
  relinkForOlderGlibc,
  requiredGlibcVersions,
} from '../../dist/acceptor/uws/elf.js';

const packageFolder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
const bundled = readdirSync(packageFolder).filter((name) => name.endsWith('.node'));
const linuxBinaries = bundled.filter((name) => name.startsWith('uws_linux_'));
const otherBinaries = bundled.filter((name) => !name.startsWith('uws_linux_'));
const read = (name: string): Buffer => readFileSync(join(packageFolder, name));

const renamed = /__isoc23_(sscanf|strtol|strtoul)/;
const { LEINIAO_TEST_SEED = Date.now() % 2 ** 31 } = process.env;
const seed = Number(LEINIAO_TEST_SEED);

test('the package bundles Linux binaries for x64 and arm64, and for Node 20, 22 and 24', () => {
  const wanted = ['x64', 'arm64'].flatMap((arch) =>
    [115, 127, 137].map((abi) => `uws_linux_${arch}_${abi}.node`),
  );
  expect(linuxBinaries).toEqual(expect.arrayContaining(wanted));
});

describe.each(linuxBinaries)('%s', (name) => {
  const official = read(name);
  const untouched = Buffer.from(official);
  const relinked = relinkForOlderGlibc(official);

  test('asks for glibc 2.38, and relinked for no more than 2.36', () => {
    expect(requiredGlibcVersions(official).at(-1)).toBe('2.38');
    expect(requiredGlibcVersions(relinked).at(-1)).toBe('2.36');
  });

  test('is itself left as it was', () => {
    expect(official.equals(untouched)).toBe(true);
  });

  test('loses nothing else: every other version it asked for it still asks for', () => {
    const before = requiredGlibcVersions(official).filter((version) => version !== '2.38');
    expect(requiredGlibcVersions(relinked)).toEqual(before);
  });

  test('cannot be relinked twice', () => {
    expect(() => relinkForOlderGlibc(relinked)).toThrow(ElfError);
  });
});

const hasReadelf = spawnSync('readelf', ['--version']).status === 0;

describe.skipIf(!hasReadelf)('as readelf (binutils), which shares no code with the relinker, sees it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'leiniao-elf-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function readelf(path: string, ...flags: string[]): string[] {
    const { stdout, status } = spawnSync('readelf', ['-W', ...flags, path], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    expect(status).toBe(0);
    return stdout.split('\n');
  }

  function sectionOffset(path: string, section: string): number {
    const line = readelf(path, '-S').find((one) => one.includes(` ${section} `)) ?? '';
    return Number.parseInt(/\s[0-9a-f]{16} ([0-9a-f]+) /.exec(line)?.[1] ?? '', 16);
  }

  test.each(linuxBinaries)(
    'in %s the three functions lose their prefix and newer version, nothing more',
    (name) => {
      const path = join(folder, name);
      const official = join(packageFolder, name);
      writeFileSync(path, relinkForOlderGlibc(read(name)));
      const oldest = name.includes('arm64') ? '2.17' : '2.2.5';
      const index = /Name: GLIBC_(\S+) .*Version: (\d+)/;
      const oldestIndex = readelf(official, '-V')
        .join('\n')
        .split('File: libc.so.6')[1]
        ?.split('\n')
        .map((line) => index.exec(line))
        .find((match) => match?.[1] === oldest)?.[2];

      const before = readelf(official, '--dyn-syms');
      const wanted = before.map((line) =>
        line.replace(/__isoc23_(\w+)@GLIBC_2\.38 \(\d+\)/, `$1@GLIBC_${oldest} (${oldestIndex})`),
      );
      expect(readelf(path, '--dyn-syms')).toEqual(wanted);
      expect(readelf(path, '-V').join('\n')).not.toContain('GLIBC_2.38');
      expect(readelf(path, '-d')).toEqual(readelf(official, '-d'));
    },
  );

  test.each(linuxBinaries)(
    'in %s only the name and version of those symbols and one version entry differ',
    (name) => {
      const path = join(packageFolder, name);
      const official = read(name);
      const relinked = relinkForOlderGlibc(official);

      const allowed = new Set<number>();
      const allow = (from: number, bytes: number): void => {
        for (let at = from; at < from + bytes; at++) allowed.add(at);
      };
      const symbols = sectionOffset(path, '.dynsym');
      const versions = sectionOffset(path, '.gnu.version');
      for (const line of readelf(path, '--dyn-syms').filter((one) => renamed.test(one))) {
        const number = Number.parseInt(line, 10);
        allow(symbols + number * 24, 4);
        allow(versions + number * 2, 2);
      }
      const entry = readelf(path, '-V').find((line) => line.includes('Name: GLIBC_2.38 ')) ?? '';
      const entryAt = sectionOffset(path, '.gnu.version_r') + Number.parseInt(entry.trim(), 16);
      allow(entryAt, 4);
      allow(entryAt + 8, 4);

      expect(relinked.length).toBe(official.length);
      const differing: number[] = [];
      for (let at = 0; at < official.length; at++) if (official[at] !== relinked[at]) differing.push(at);
      expect(differing.length).toBeGreaterThan(0);
      expect(differing.filter((at) => !allowed.has(at))).toEqual([]);
    },
  );
});

describe('what is not understood is refused', () => {
  const [first = ''] = linuxBinaries;
  const official = read(first);
  const patched = (change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(official);
    change(copy);
    return copy;
  };

  test.each([
    ['an empty file', Buffer.alloc(0), 'shorter'],
    ['a text', Buffer.from('#!/bin/sh\n'.repeat(20)), 'not an ELF file'],
    ['a 32-bit file', patched((copy) => copy.writeUInt8(1, 4)), '64-bit'],
    ['a big-endian file', patched((copy) => copy.writeUInt8(2, 5)), 'little-endian'],
    ['a program instead of a library', patched((copy) => copy.writeUInt16LE(2, 16)), 'shared object'],
  ])('%s', (_, bytes, reason) => {
    expect(() => relinkForOlderGlibc(bytes)).toThrow(ElfError);
    expect(() => relinkForOlderGlibc(bytes)).toThrow(reason);
  });

  test.each(otherBinaries)('%s', (name) => {
    expect(() => relinkForOlderGlibc(read(name))).toThrow('not an ELF file');
  });

  test('a function of glibc 2.38 that has no older name', () => {
    const name = Buffer.from('__isoc23_strtol\0');
    const other = patched((copy) => copy.write('__isoc23_strtoz', copy.indexOf(name), 'latin1'));
    expect(() => relinkForOlderGlibc(other)).toThrow(
      '__isoc23_strtoz needs GLIBC_2.38 and has no older name',
    );
  });

  test('a version whose name was altered', () => {
    const other = patched((copy) => copy.write('GLIBC_2.37', copy.indexOf('GLIBC_2.38\0'), 'latin1'));
    expect(() => relinkForOlderGlibc(other)).toThrow('hash');
  });
});

describe(`a damaged file (LEINIAO_TEST_SEED=${seed})`, () => {
  const runs = { seed, numRuns: 300 };
  const [first = ''] = linuxBinaries;
  const official = read(first);

  /** Where the first segment of a type lies: p_offset and p_filesz of its program header. */
  function segment(type: 'loaded' | 'dynamic'): { min: number; max: number } {
    for (let at = 64; at < 64 + 56 * official.readUInt16LE(56); at += 56) {
      if (official.readUInt32LE(at) !== (type === 'loaded' ? 1 : 2)) continue;
      const start = Number(official.readBigUInt64LE(at + 8));
      return { min: start, max: start + Number(official.readBigUInt64LE(at + 32)) - 1 };
    }
    throw new Error(`no segment is ${type}`);
  }

  /** Either a refusal by name or a file of the same length that no longer asks for glibc 2.38. */
  function refusedOrRelinked(bytes: Buffer): void {
    let relinked: Buffer;
    try {
      relinked = relinkForOlderGlibc(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(ElfError);
      return;
    }
    expect(relinked.length).toBe(bytes.length);
    expect(requiredGlibcVersions(relinked)).not.toContain('2.38');
  }

  test('cut off anywhere is refused, or relinked if only unloaded parts are missing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: official.length }), (length) => {
        refusedOrRelinked(official.subarray(0, length));
      }),
      runs,
    );
  });

  test('with any byte of its headers and tables changed is refused or relinked', () => {
    const headers = { min: 0, max: 64 + 56 * official.readUInt16LE(56) - 1 };
    // The first loaded segment holds every table but the dynamic one, and no code.
    const place = fc.oneof(
      ...[headers, segment('dynamic'), segment('loaded')].map((range) => fc.integer(range)),
    );
    const damaged = Buffer.from(official);
    fc.assert(
      fc.property(place, fc.integer({ min: 0, max: 255 }), (at, value) => {
        damaged[at] = value;
        try {
          refusedOrRelinked(damaged);
        } finally {
          damaged[at] = official[at] ?? 0;
        }
      }),
      runs,
    );
  });
});

test('versions are compared number by number, not as text', () => {
  const shuffled = ['2.36', '2.4', '2.2.5', '2.38', '2.3.4', '2.17'];
  expect(shuffled.sort(compareVersions)).toEqual(['2.2.5', '2.3.4', '2.4', '2.17', '2.36', '2.38']);
});
