/**
 * The same batches of keyed orders go into two real stores, one sealed with SHA-256 and one with a hash that is not
 * computed. The two take turns, batch by batch, so that what the disk does meanwhile hits both.
 */
import crypto from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Batch } from '#dist/store/batch.js';
import { ShardStore } from '#dist/store/shard-store.js';
import { writeText } from '#dist/text.js';
import { serveMeasurement } from '../harness/child-end.js';

export interface ChainSettings {
  readonly folder: string;
  readonly batches: number;
  readonly ordersPerBatch: number;
}

/** Orders per second. */
export interface ChainRates {
  readonly sealed: number;
  readonly unsealed: number;
}

const realCreateHash = crypto.createHash;
const noHash = { update: () => noHash, digest: () => Buffer.alloc(32) };

/** Switches hashing for whoever imported it, the store's modules too. */
function setHashing(on: boolean): void {
  crypto.createHash = on ? realCreateHash : ((() => noHash) as never);
  syncBuiltinESMExports();
}

/** One of the two stores, and the time that its batches took. */
class Contender {
  readonly hashing: boolean;
  readonly #settings: ChainSettings;
  readonly #path: string;
  readonly #batch = new Batch();
  readonly #texts = new Int32Array(32);
  readonly #bytes = Buffer.from(this.#texts.buffer);
  #store: ShardStore | undefined = undefined;
  #number = 0;
  spentMs = 0;

  constructor(settings: ChainSettings, hashing: boolean) {
    this.#settings = settings;
    this.#path = mkdtempSync(join(settings.folder, 'store-'));
    this.hashing = hashing;
  }

  async open(visit: (commit: { readonly count: number }) => void): Promise<void> {
    const options = { storeId: '00'.repeat(16), shard: 0, durability: 'fsync', flushDelayMs: 10 } as const;
    this.#store = await ShardStore.open({ ...options, path: this.#path, existing: false }, visit);
  }

  /** Fills a batch and stores it. */
  write(): void {
    setHashing(this.hashing);
    const startedMs = performance.now();
    for (let i = 0; i < this.#settings.ordersPerBatch; i++) {
      const number = this.#number++;
      const buyerBytes = writeText(this.#bytes, 0, `buyer-${number}`);
      const key = `3f2a9c1e-7b44-4d1c-9a55-${String(number).padStart(12, '0')}`;
      const keyBytes = writeText(this.#bytes, 64, key);
      this.#batch.accepted(0, 0, 1, number, number + 1, this.#texts, 0, buyerBytes, 16, keyBytes);
    }
    this.#store!.write(this.#batch, startedMs, startedMs);
    // As a shard does.
    if (startedMs >= this.#store!.flushAtMs) this.#store!.flush();
    this.spentMs += performance.now() - startedMs;
    setHashing(true);
  }

  /** Brings to LMDB what is not there yet. */
  finish(): void {
    const startedMs = performance.now();
    this.#store!.flush();
    this.spentMs += performance.now() - startedMs;
  }

  /** Only a journal that was hashed can be read again, and it has to be all there. */
  async verify(): Promise<void> {
    await this.#store!.close();
    if (!this.hashing) return;
    const { batches, ordersPerBatch } = this.#settings;
    let commits = 0;
    await this.open(({ count }) => {
      commits += 1;
      if (count !== ordersPerBatch) throw new Error(`a commit has ${count} of ${ordersPerBatch} orders`);
    });
    await this.#store!.close();
    if (commits !== batches) throw new Error(`${commits} of ${batches} commits can be read`);
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

async function measure(settings: ChainSettings, round: number): Promise<ChainRates> {
  const sealedFirst = round % 2 === 0;
  const contenders = [new Contender(settings, sealedFirst), new Contender(settings, !sealedFirst)];
  try {
    for (const one of contenders) await one.open(() => undefined);
    for (let i = 0; i < settings.batches; i++) {
      for (const one of i % 2 === 0 ? contenders : contenders.toReversed()) one.write();
    }
    for (const one of contenders) one.finish();
    for (const one of contenders) await one.verify();
    const orders = settings.batches * settings.ordersPerBatch;
    const rate = (hashing: boolean) =>
      (orders * 1_000) / contenders.find((one) => one.hashing === hashing)!.spentMs;
    return { sealed: rate(true), unsealed: rate(false) };
  } finally {
    for (const one of contenders) one.remove();
  }
}

await serveMeasurement((settings: ChainSettings) => ({
  measure: (round) => measure(settings, round),
  close: () => undefined,
}));
