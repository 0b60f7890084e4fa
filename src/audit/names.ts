/**
 * Numbers for names: the same one for the same text in the same scope, from 0 without gaps. A journal has millions of
 * buyers and keys; as strings in a `Map` they would take several times the room. Exact: texts are kept and compared.
 */
import { assert } from '../assert.js';
import { grown, mixed } from './columns.js';

/** Words of a chunk of texts, as a power of two. A text never crosses chunks. */
const chunkBits = 18;
const chunkWords = 1 << chunkBits;
/** A chunk's number and a word in it are kept together in 31 bits. */
const chunksMax = 1 << (31 - chunkBits);

export class NameTable {
  readonly #chunks: Int32Array[] = [];
  /** Words used of the last chunk. */
  #used = chunkWords;
  #count = 0;
  /** By name: scope, hash, where its words begin, and its bytes. */
  #scopes = new Int32Array(1024);
  #hashes = new Int32Array(1024);
  #starts = new Int32Array(1024);
  #lengths = new Uint8Array(1024);
  /** Open addressing, linear probing: 0 for free, otherwise the number of a name plus one. */
  #slots = new Int32Array(4096);

  /** Names so far: the number that the next new one gets. */
  get count(): number {
    return this.#count;
  }

  /** The number of a text of `bytes` bytes at word `at`, zero-padded; it is taken in if it is new. */
  numberOf(scope: number, words: Int32Array, at: number, bytes: number): number {
    const hash = hashOf(scope, words, at, bytes);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1;
      if (found === -1) return this.#add(slot, hash, scope, words, at, bytes);
      if (this.#hashes[found] === hash && this.#is(found, scope, words, at, bytes)) return found;
    }
  }

  #is(name: number, scope: number, words: Int32Array, at: number, bytes: number): boolean {
    if (this.#scopes[name] !== scope || this.#lengths[name] !== bytes) return false;
    const start = this.#starts[name]!;
    const chunk = this.#chunks[start >>> chunkBits]!;
    const from = start & (chunkWords - 1);
    for (let i = 0; i < (bytes + 3) >> 2; i++) {
      if (chunk[from + i] !== words[at + i]) return false;
    }
    return true;
  }

  #add(slot: number, hash: number, scope: number, words: Int32Array, at: number, bytes: number): number {
    const name = this.#count;
    this.#count += 1;
    this.#scopes = grown(this.#scopes, this.#count);
    this.#hashes = grown(this.#hashes, this.#count);
    this.#starts = grown(this.#starts, this.#count);
    this.#lengths = grown(this.#lengths, this.#count);
    this.#scopes[name] = scope;
    this.#hashes[name] = hash;
    this.#lengths[name] = bytes;
    this.#starts[name] = this.#keep(words, at, (bytes + 3) >> 2);
    this.#slots[slot] = name + 1;
    if (this.#count * 2 > this.#slots.length) this.#spread();
    return name;
  }

  #keep(words: Int32Array, at: number, count: number): number {
    if (this.#used + count > chunkWords) {
      assert(this.#chunks.length < chunksMax, 'the texts of a journal have 8 GiB of room');
      this.#chunks.push(new Int32Array(chunkWords));
      this.#used = 0;
    }
    const chunk = this.#chunks.at(-1)!;
    const from = this.#used;
    for (let i = 0; i < count; i++) chunk[from + i] = words[at + i]!;
    this.#used += count;
    return ((this.#chunks.length - 1) << chunkBits) | from;
  }

  #spread(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let name = 0; name < this.#count; name++) {
      let slot = this.#hashes[name]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = name + 1;
    }
    this.#slots = slots;
  }

  /** The text of a name. */
  textOf(name: number): string {
    const start = this.#starts[name]!;
    const chunk = this.#chunks[start >>> chunkBits]!;
    const from = (start & (chunkWords - 1)) * 4;
    return Buffer.from(chunk.buffer, from, this.#lengths[name]!).toString('utf8');
  }
}

function hashOf(scope: number, words: Int32Array, at: number, bytes: number): number {
  let hash = Math.imul(scope, 0x9e3779b1) ^ bytes;
  for (let i = 0; i < (bytes + 3) >> 2; i++) hash = mixed(hash ^ words[at + i]!);
  return mixed(hash);
}
