/**
 * What the hash chain costs: the same batches of keyed orders go into a real store with durability fsync, once sealed with
 * SHA-256 and once with a hash that is not computed. The two take turns, batch by batch. Batch and store only: decision, rings and HTTP would make the share of the hash smaller.
 *
 *   node native-bench/build/chain.js [--batches 400] [--orders 512] [--rounds 11]
 */
import crypto from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Batch } from '#dist/store/batch.js';
import { ShardStore } from '#dist/store/shard-store.js';
import { writeText } from '#dist/text.js';
import { describeMachine, machineLines } from './harness/machine.js';
import { summary } from './harness/statistics.js';

const { values } = parseArgs({
  options: {
    batches: { type: 'string', default: '400' },
    orders: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '11' },
  },
});
const batches = Number(values.batches);
const orders = Number(values.orders);
const rounds = Number(values.rounds);

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
  readonly #path = mkdtempSync(join(tmpdir(), 'leiniao-bench-'));
  readonly #batch = new Batch();
  readonly #texts = new Int32Array(32);
  readonly #bytes = Buffer.from(this.#texts.buffer);
  #store: ShardStore | undefined = undefined;
  #number = 0;
  spentMs = 0;

  constructor(hashing: boolean) {
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
    for (let i = 0; i < orders; i++) {
      const number = this.#number++;
      const buyerBytes = writeText(this.#bytes, 0, `buyer-${number}`);
      const key = `3f2a9c1e-7b44-4d1c-9a55-${String(number).padStart(12, '0')}`;
      const keyBytes = writeText(this.#bytes, 64, key);
      this.#batch.accepted(0, 0, 1, number, number + 1, this.#texts, 0, buyerBytes, 16, keyBytes);
    }
    this.#store!.write(this.#batch, startedMs, startedMs);
    this.spentMs += performance.now() - startedMs;
    setHashing(true);
  }

  /** Only a journal that was hashed can be read again, and it has to be all there. */
  async verify(): Promise<void> {
    await this.#store!.close();
    if (!this.hashing) return;
    let commits = 0;
    await this.open(({ count }) => {
      commits += 1;
      if (count !== orders) throw new Error(`a commit has ${count} of ${orders} orders`);
    });
    await this.#store!.close();
    if (commits !== batches) throw new Error(`${commits} of ${batches} commits can be read`);
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** Batch by batch in turns, so that what the disk does meanwhile hits both. Resolves to orders per second. */
async function run(firstHashes: boolean): Promise<{ hashed: number; bare: number }> {
  const contenders = [new Contender(firstHashes), new Contender(!firstHashes)];
  try {
    for (const one of contenders) await one.open(() => undefined);
    for (let i = 0; i < batches; i++) for (const one of contenders) one.write();
    for (const one of contenders) await one.verify();
    const rate = (hashing: boolean) =>
      (batches * orders * 1_000) / contenders.find((one) => one.hashing === hashing)!.spentMs;
    return { hashed: rate(true), bare: rate(false) };
  } finally {
    for (const one of contenders) one.remove();
  }
}

process.stdout.write(
  `${machineLines(describeMachine()).join('\n')}\n\n${batches} batches of ${orders} keyed orders\n`,
);
const hashed: number[] = [];
const bare: number[] = [];
const ratios: number[] = [];
for (let round = 0; round < rounds; round++) {
  const rates = await run(round % 2 === 0);
  hashed.push(rates.hashed);
  bare.push(rates.bare);
  ratios.push(rates.hashed / rates.bare);
  const line = `round ${round + 1}: hashed ${rates.hashed.toFixed(0)}, not ${rates.bare.toFixed(0)} orders/s`;
  process.stdout.write(`${line}\n`);
}
process.stdout.write(`hashed      ${summary(hashed)} orders/s\nnot hashed  ${summary(bare)} orders/s\n`);
process.stdout.write(`ratio       ${summary(ratios, 3)}\n`);
