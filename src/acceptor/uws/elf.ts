/**
 * Reads what a shared object asks of the C library, and relinks a copy so that an older one will do. Pure
 * functions over bytes, used while a thread loads uWebSockets.js. Only what the dynamic loader itself reads
 * is read here (program headers and the dynamic segment); section headers are left alone.
 *
 * Byte layouts: System V ABI, "Object Files" and "Program Loading and Dynamic Linking" (Elf64_Ehdr, _Phdr,
 * _Dyn, _Sym); Linux Standard Base Core 5.0, "Symbol Versioning" (Elf64_Verneed, _Vernaux, .gnu.version);
 * binutils `bfd/elflink.c` and glibc `elf/dl-lookup.c` for DT_GNU_HASH.
 */

/** The bytes are not an object this file understands. Nothing was changed. */
export class ElfError extends Error {
  override readonly name = 'ElfError';
}

/** Raised whenever the same input would be relinked into different bytes: part of a cached copy's name. */
export const relinkRevision = 1;

/** What glibc 2.38 renamed for programs compiled as C23, and the functions that were there all along. */
const renamedVersion = 'GLIBC_2.38';
const renamedPrefix = '__isoc23_';
const renamedSymbols: readonly string[] = ['__isoc23_sscanf', '__isoc23_strtol', '__isoc23_strtoul'];

const libcFile = 'libc.so.6';
const glibcPrefix = 'GLIBC_';

/** Elf64_Ehdr. */
const header = {
  size: 64,
  magic: 0,
  class: 4,
  encoding: 5,
  identVersion: 6,
  type: 16,
  programOffset: 32,
  programEntrySize: 54,
  programCount: 56,
} as const;
const magic = 0x46_4c_45_7f;
const class64 = 2;
const littleEndian = 1;
const currentVersion = 1;
const sharedObject = 3;

/** Elf64_Phdr. */
const program = { size: 56, type: 0, fileOffset: 8, address: 16, fileSize: 32 } as const;
const programLoad = 1;
const programDynamic = 2;

/** Elf64_Dyn, and the d_tag values needed. */
const dynamic = { size: 16, tag: 0, value: 8 } as const;
const tags = {
  end: 0,
  stringTable: 5,
  symbolTable: 6,
  stringBytes: 10,
  symbolBytes: 11,
  gnuHash: 0x6fff_fef5,
  versionSymbols: 0x6fff_fff0,
  versionDefinitions: 0x6fff_fffc,
  versionNeeds: 0x6fff_fffe,
  versionNeedCount: 0x6fff_ffff,
} as const;

/** Elf64_Sym; st_info holds the binding above four bits of type. */
const symbol = { size: 24, name: 0, info: 4, section: 6 } as const;
const globalFunction = (1 << 4) | 2;
const undefinedSection = 0;

/** Elf64_Half per symbol; the top bit says hidden, the rest is a version index. */
const versionSymbolBytes = 2;
const versionIndexMask = 0x7fff;

/** Elf64_Verneed (one per library) and Elf64_Vernaux (one per version of it). */
const need = { size: 16, version: 0, count: 2, file: 4, firstEntry: 8, next: 12 } as const;
const entry = { size: 16, hash: 0, flags: 4, index: 6, name: 8, next: 12 } as const;

/** Header of DT_GNU_HASH; 8-byte Bloom words, 4-byte buckets and 4-byte chains follow. */
const gnuHash = { size: 16, bucketCount: 0, firstSymbol: 4, bloomCount: 8 } as const;
const bloomWordBytes = 8;
const hashWordBytes = 4;

interface Segment {
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/** One version of one library the object asks for; `offset` is where its Elf64_Vernaux lies in the file. */
interface NeededVersion {
  readonly library: string;
  readonly name: string;
  readonly nameOffset: number;
  readonly hash: number;
  readonly index: number;
  readonly offset: number;
}

interface SharedObject {
  readonly needed: readonly NeededVersion[];
  readonly symbolCount: number;
  /** Symbols from here on are exported and hashed; those before are not. */
  readonly firstHashedSymbol: number;
  readonly symbolsOffset: number;
  readonly versionSymbolsOffset: number;
  readonly strings: Buffer;
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ElfError(message);
}

function u16(bytes: Buffer, offset: number): number {
  check(offset + 2 <= bytes.length, 'the file ends inside a structure');
  return bytes.readUInt16LE(offset);
}

function u32(bytes: Buffer, offset: number): number {
  check(offset + 4 <= bytes.length, 'the file ends inside a structure');
  return bytes.readUInt32LE(offset);
}

function u64(bytes: Buffer, offset: number): number {
  const value = u32(bytes, offset) + u32(bytes, offset + 4) * 2 ** 32;
  check(Number.isSafeInteger(value), 'an address or size is absurd');
  return value;
}

function text(strings: Buffer, offset: number): string {
  check(offset < strings.length, 'a name lies outside the string table');
  const end = strings.indexOf(0, offset);
  check(end !== -1, 'a name has no end');
  return strings.toString('latin1', offset, end);
}

/** The hash function of the System V ABI, "Hash Table". */
function hashOf(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at++) {
    hash = (hash * 16 + name.charCodeAt(at)) >>> 0;
    hash = (hash ^ ((hash >>> 24) & 0xf0)) & 0x0fff_ffff;
  }
  return hash;
}

function checkHeader(bytes: Buffer): void {
  check(bytes.length >= header.size, 'the file is shorter than an ELF header');
  check(u32(bytes, header.magic) === magic, 'not an ELF file');
  check(bytes[header.class] === class64, 'not a 64-bit ELF file');
  check(bytes[header.encoding] === littleEndian, 'not a little-endian ELF file');
  check(bytes[header.identVersion] === currentVersion, 'not ELF version 1');
  check(u16(bytes, header.type) === sharedObject, 'not a shared object');
  check(u16(bytes, header.programEntrySize) === program.size, 'program headers have an unknown size');
}

function segmentsOf(bytes: Buffer): { loaded: readonly Segment[]; dynamic: Segment } {
  const start = u64(bytes, header.programOffset);
  const count = u16(bytes, header.programCount);
  const loaded: Segment[] = [];
  const dynamics: Segment[] = [];
  for (let number = 0; number < count; number++) {
    const at = start + number * program.size;
    const type = u32(bytes, at + program.type);
    if (type !== programLoad && type !== programDynamic) continue;
    const segment = {
      offset: u64(bytes, at + program.fileOffset),
      address: u64(bytes, at + program.address),
      bytes: u64(bytes, at + program.fileSize),
    };
    check(segment.offset + segment.bytes <= bytes.length, 'a segment reaches beyond the end of the file');
    (type === programLoad ? loaded : dynamics).push(segment);
  }
  for (let number = 1; number < loaded.length; number++) {
    const before = loaded[number - 1]!;
    check(before.address + before.bytes <= loaded[number]!.address, 'segments overlap or are out of order');
  }
  const [only, second] = dynamics;
  check(only !== undefined && second === undefined, 'not exactly one dynamic segment');
  return { loaded, dynamic: only };
}

/** Where `size` bytes at an address lie in the file. Loaded segments are within the file: see segmentsOf. */
function locate(segments: readonly Segment[], address: number, size: number): number {
  const home = segments.find((s) => s.address <= address && address + size <= s.address + s.bytes);
  check(home !== undefined, 'an address lies outside every segment');
  return home.offset + (address - home.address);
}

function dynamicOf(bytes: Buffer, segment: Segment): ReadonlyMap<number, number> {
  const values = new Map<number, number>();
  const end = segment.offset + segment.bytes;
  for (let at = segment.offset; at + dynamic.size <= end; at += dynamic.size) {
    const tag = u64(bytes, at + dynamic.tag);
    if (tag === tags.end) return values;
    // DT_NEEDED repeats; of the tags used here each has one meaning only if it occurs once.
    const known = Object.values(tags).some((one) => one === tag);
    check(!known || !values.has(tag), 'a dynamic entry occurs twice');
    if (known) values.set(tag, u64(bytes, at + dynamic.value));
  }
  throw new ElfError('the dynamic segment has no end');
}

function neededOf(bytes: Buffer, strings: Buffer, start: number, count: number): NeededVersion[] {
  const needed: NeededVersion[] = [];
  let needAt = start;
  for (let number = 0; number < count; number++) {
    check(u16(bytes, needAt + need.version) === currentVersion, 'a version record has an unknown format');
    const library = text(strings, u32(bytes, needAt + need.file));
    const entries = u16(bytes, needAt + need.count);
    let entryAt = needAt + u32(bytes, needAt + need.firstEntry);
    for (let left = entries; left > 0; left--) {
      const nameOffset = u32(bytes, entryAt + entry.name);
      const name = text(strings, nameOffset);
      const hash = u32(bytes, entryAt + entry.hash);
      check(hash === hashOf(name), 'the hash of a version does not match its name');
      check(u16(bytes, entryAt + entry.flags) === 0, 'a version has unknown flags');
      const index = u16(bytes, entryAt + entry.index);
      needed.push({ library, name, nameOffset, hash, index, offset: entryAt });
      const next = u32(bytes, entryAt + entry.next);
      check((next === 0) === (left === 1), 'a chain of versions does not have the length it says');
      entryAt += next;
    }
    const next = u32(bytes, needAt + need.next);
    check((next === 0) === (number === count - 1), 'the chain of libraries does not have the length it says');
    needAt += next;
  }
  const indices = new Set(needed.map((version) => version.index));
  check(indices.size === needed.length, 'two versions share an index');
  return needed;
}

/** The dynamic segment holds no symbol count; the last chain of the hash table ends at the last symbol. */
function countSymbols(bytes: Buffer, tableAt: number, firstSymbol: number): number {
  const buckets = u32(bytes, tableAt + gnuHash.bucketCount);
  const bucketsAt = tableAt + gnuHash.size + u32(bytes, tableAt + gnuHash.bloomCount) * bloomWordBytes;
  const chainsAt = bucketsAt + buckets * hashWordBytes;
  check(chainsAt <= bytes.length, 'the hash table reaches beyond the end of the file');
  let last = 0;
  for (let at = bucketsAt; at < chainsAt; at += hashWordBytes) last = Math.max(last, u32(bytes, at));
  if (last === 0) return firstSymbol;
  check(last >= firstSymbol, 'the hash table holds a symbol it says it does not hash');
  while ((u32(bytes, chainsAt + (last - firstSymbol) * hashWordBytes) & 1) === 0) last++;
  return last + 1;
}

function parse(bytes: Buffer): SharedObject {
  checkHeader(bytes);
  const { loaded, dynamic: segment } = segmentsOf(bytes);
  const values = dynamicOf(bytes, segment);
  const value = (tag: number): number => {
    const found = values.get(tag);
    check(found !== undefined, `the dynamic segment lacks tag 0x${tag.toString(16)}`);
    return found;
  };
  check(!values.has(tags.versionDefinitions), 'the object defines versions of its own');
  check(value(tags.symbolBytes) === symbol.size, 'symbols have an unknown size');
  const stringBytes = value(tags.stringBytes);
  const stringsAt = locate(loaded, value(tags.stringTable), stringBytes);
  const strings = bytes.subarray(stringsAt, stringsAt + stringBytes);
  const hashAt = locate(loaded, value(tags.gnuHash), gnuHash.size);
  const firstHashedSymbol = u32(bytes, hashAt + gnuHash.firstSymbol);
  const symbolCount = countSymbols(bytes, hashAt, firstHashedSymbol);
  const needsAt = locate(loaded, value(tags.versionNeeds), need.size);
  return {
    needed: neededOf(bytes, strings, needsAt, value(tags.versionNeedCount)),
    symbolCount,
    firstHashedSymbol,
    symbolsOffset: locate(loaded, value(tags.symbolTable), symbolCount * symbol.size),
    versionSymbolsOffset: locate(loaded, value(tags.versionSymbols), symbolCount * versionSymbolBytes),
    strings,
  };
}

/** Orders dotted version numbers: negative if `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function versionNumber(name: string): string {
  const number = name.slice(glibcPrefix.length);
  check(/^\d+(\.\d+)+$/.test(number), `${name} is not a version number`);
  return number;
}

function glibcVersions(needed: readonly NeededVersion[]): string[] {
  const names = needed.map((version) => version.name).filter((name) => name.startsWith(glibcPrefix));
  return [...new Set(names.map(versionNumber))].sort(compareVersions);
}

/**
 * Versions of glibc the object names, such as `['2.2.5', '2.17', '2.36']`, oldest first: it loads with the
 * last one or newer. Throws ElfError if the bytes are not a 64-bit little-endian shared object with GNU
 * symbol versions.
 */
export function requiredGlibcVersions(bytes: Buffer): readonly string[] {
  return glibcVersions(parse(bytes).needed);
}

/** Numbers of the symbols that carry a version index. */
function usersOf(bytes: Buffer, object: SharedObject, index: number): number[] {
  const users: number[] = [];
  for (let number = 0; number < object.symbolCount; number++) {
    const carried = u16(bytes, object.versionSymbolsOffset + number * versionSymbolBytes);
    if ((carried & versionIndexMask) === index) users.push(number);
  }
  return users;
}

/** The oldest version the object already asks of the library that `version` belongs to. */
function oldestBeside(object: SharedObject, version: NeededVersion): NeededVersion {
  let oldest = version;
  for (const other of object.needed) {
    if (other.library !== version.library) continue;
    if (compareVersions(versionNumber(other.name), versionNumber(oldest.name)) < 0) oldest = other;
  }
  check(oldest !== version, `${version.name} is the only version asked of ${version.library}`);
  return oldest;
}

function nameOf(bytes: Buffer, object: SharedObject, number: number): string {
  return text(object.strings, u32(bytes, object.symbolsOffset + number * symbol.size + symbol.name));
}

function checkRenamed(bytes: Buffer, object: SharedObject, users: readonly number[]): void {
  const names = users.map((number) => nameOf(bytes, object, number));
  check(names.length > 0, `no symbol uses ${renamedVersion}`);
  check(new Set(names).size === names.length, `a symbol of ${renamedVersion} occurs twice`);
  for (const [at, number] of users.entries()) {
    const name = names[at]!;
    check(renamedSymbols.includes(name), `${name} needs ${renamedVersion} and has no older name`);
    const symbolAt = object.symbolsOffset + number * symbol.size;
    check(bytes[symbolAt + symbol.info] === globalFunction, `${name} is not a global function`);
    check(u16(bytes, symbolAt + symbol.section) === undefinedSection, `${name} is not imported`);
    // A hashed symbol is found by the hash of its name, which a new name would break.
    check(number < object.firstHashedSymbol, `${name} is in the hash table`);
  }
}

/**
 * A copy of a shared object that asks for glibc 2.38 only because of `sscanf`, `strtol` and `strtoul`, bound
 * to the functions of those names that every glibc has. Compiling as C23 against glibc 2.38 turns them into
 * `__isoc23_*`, which differ in one point: numbers of base 0 or 2 may begin with `0b`.
 *
 * In the copy each such undefined symbol's name begins after the prefix, its version index is that of the
 * oldest version the object already asks of libc, and the entry for GLIBC_2.38, now unused, names that older
 * version too, since the loader insists on every entry whether used or not. Nothing else differs; `bytes` is
 * not changed. Throws ElfError if anything is not exactly as described.
 */
export function relinkForOlderGlibc(bytes: Buffer): Buffer {
  const object = parse(bytes);
  const [renamed, second] = object.needed.filter((version) => version.name === renamedVersion);
  check(renamed !== undefined, `the object does not ask for ${renamedVersion}`);
  check(second === undefined, `the object asks for ${renamedVersion} twice`);
  check(renamed.library === libcFile, `${renamedVersion} is asked of ${renamed.library}`);
  const oldest = oldestBeside(object, renamed);
  const users = usersOf(bytes, object, renamed.index);
  checkRenamed(bytes, object, users);

  const copy = Buffer.from(bytes);
  for (const number of users) {
    const nameAt = object.symbolsOffset + number * symbol.size + symbol.name;
    copy.writeUInt32LE(u32(bytes, nameAt) + renamedPrefix.length, nameAt);
    copy.writeUInt16LE(oldest.index, object.versionSymbolsOffset + number * versionSymbolBytes);
  }
  copy.writeUInt32LE(oldest.hash, renamed.offset + entry.hash);
  copy.writeUInt32LE(oldest.nameOffset, renamed.offset + entry.name);
  checkRelinked(bytes, object, users, copy, oldest);
  return copy;
}

/** Reads the copy back as the loader will: in a damaged file the places written could overlap others. */
function checkRelinked(
  bytes: Buffer,
  object: SharedObject,
  users: readonly number[],
  copy: Buffer,
  oldest: NeededVersion,
): void {
  const relinked = parse(copy);
  check(!relinked.needed.some((version) => version.name === renamedVersion), 'the copy asks for as much');
  const bound = new Set(usersOf(copy, relinked, oldest.index));
  for (const number of users) {
    const wanted = nameOf(bytes, object, number).slice(renamedPrefix.length);
    check(nameOf(copy, relinked, number) === wanted && bound.has(number), `${wanted} is not bound`);
  }
}
