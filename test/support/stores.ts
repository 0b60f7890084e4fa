/** Stores of a shard for tests of what they leave on disk. A crash is a copy of the folder taken while the store is open. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Durability } from '../../dist/config.js';
import { Batch } from '../../dist/store/batch.js';
import type { Commit } from '../../dist/store/chain.js';
import { ShardStore } from '../../dist/store/shard-store.js';
import { fill, storeId } from './commits.js';
import { tempDir } from './temp-dir.js';

/** With durability `commit`. */
export const flushDelayMs = 50;

/** Of a store that is still to be made. */
export const newPath = (): string => join(tempDir(), 'shard-000');

export const tailPath = (path: string): string => join(path, 'tail.bin');

export async function openStore(
  path: string,
  durability: Durability,
  visit: (commit: Commit) => void = () => undefined,
): Promise<ShardStore> {
  const options = { path, storeId, shard: 0, durability, existing: false, flushDelayMs };
  return await ShardStore.open(options, visit);
}

/** The numbers of the commits that a folder holds. */
export async function numbersIn(path: string, durability: Durability = 'fsync'): Promise<number[]> {
  const numbers: number[] = [];
  const store = await openStore(path, durability, (commit) => numbers.push(commit.number));
  await store.close();
  return numbers;
}

/** The numbers of the commits that LMDB has of a folder. */
export async function numbersInLmdb(path: string): Promise<number[]> {
  const copy = crashed(path);
  rmSync(tailPath(copy));
  return await numbersIn(copy);
}

/** What a process that starts after kill -9 finds. */
export function crashed(path: string): string {
  const copy = newPath();
  cpSync(path, copy, { recursive: true });
  return copy;
}

export const batch = new Batch();

export function write(store: ShardStore, count: number, timeMs: number): void {
  store.write(fill(batch, timeMs, count), timeMs, timeMs);
  expect(batch.count).toBe(0);
}
