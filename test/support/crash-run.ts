/** One data folder through many lives of `leiniao serve` under a judged storm, and the audit of what is left. */
import { expect, onTestFinished } from 'vitest';
import { Api, type SkuJson } from './api.js';
import { JudgedStorm } from './judged-storm.js';
import { OrderJudge } from './order-judge.js';
import { runCli } from './run-cli.js';
import { ServeProcess } from './serve-process.js';
import type { Offer } from './told-facts.js';
import { until, within } from './until.js';

/** Two sales on several shards: what is plentiful, what is limited, and what is gone at once and comes back. */
export const offers: readonly Offer[] = [
  { sale: 'quick', sku: 'plenty', holdSeconds: 1, stock: 1_000_000 },
  { sale: 'quick', sku: 'three-each', holdSeconds: 1, stock: 20_000, limitPerBuyer: 3 },
  { sale: 'quick', sku: 'scarce', holdSeconds: 1, stock: 25, limitPerBuyer: 4 },
  { sale: 'slow', sku: 'plenty', holdSeconds: 2, stock: 1_000_000, limitPerBuyer: 400 },
  { sale: 'slow', sku: 'few', holdSeconds: 2, stock: 200, limitPerBuyer: 6 },
  { sale: 'slow', sku: 'scarce', holdSeconds: 2, stock: 12 },
];

export class CrashRun {
  readonly judge = new OrderJudge(offers);
  readonly storm: JudgedStorm;
  readonly dataDir: string;
  readonly #args: readonly string[];
  #server: ServeProcess | undefined;
  #running: Promise<void> | undefined;
  #failure: unknown;
  #lives = 0;

  constructor(dataDir: string, random: () => number, ...args: string[]) {
    this.dataDir = dataDir;
    this.storm = new JudgedStorm({ offers, judge: this.judge, random, clients: 32 });
    this.#args = ['--data-dir', dataDir, '--orders-per-shard-max', '65536', ...args];
    onTestFinished(() => this.storm.closes());
  }

  get server(): ServeProcess {
    return this.#server!;
  }

  /** A process that was told to start on the folder, and may be anywhere on its way. */
  starting(): ServeProcess {
    return new ServeProcess(...this.#args);
  }

  /** Starts a server, has the judge look at all that it knows, and lets the storm go on. */
  async begins(): Promise<void> {
    this.#server = this.starting();
    const url = await this.#server.url();
    const api = new Api(url);
    try {
      if (this.#lives++ === 0) await this.storm.declares(api);
      else await this.storm.inspects(api);
    } finally {
      await api.close();
    }
    this.expectNothingWrong();
    this.storm.meets(url);
    this.#running ??= this.storm.runs().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  expectNothingWrong(): void {
    if (this.#failure !== undefined) throw this.#failure;
    expect(this.judge.wrongs).toEqual([]);
  }

  async acknowledges(more: number, deadlineMs = 20_000): Promise<void> {
    const wanted = this.storm.acknowledged + more;
    const reached = () => this.#failure !== undefined || this.storm.acknowledged >= wanted;
    await until(`${more} more orders`, reached, deadlineMs);
    this.expectNothingWrong();
  }

  /** Lets the storm go on until so many orders were told of at each stage that an order may come to. */
  async reaches(count: number, deadlineMs = 30_000): Promise<void> {
    const stages = ['confirmed', 'cancelled', 'expired', 'reacquired'] as const;
    const reached = () => stages.every((stage) => this.judge.count(stage) >= count);
    const over = () => this.#failure !== undefined || reached();
    await until(`${count} orders of each: ${stages.join(', ')}`, over, deadlineMs);
    this.expectNothingWrong();
  }

  async turnsAway(more: number): Promise<void> {
    const wanted = this.storm.turnedAway + more;
    const reached = () => this.#failure !== undefined || this.storm.turnedAway >= wanted;
    await until(`${more} more answers 503`, reached, 20_000);
    this.expectNothingWrong();
  }

  async kill(): Promise<void> {
    await this.storm.loses(() => this.server.kill());
  }

  /**
   * Lets everybody hear the end of what he asked for and every hold end, judges it all, stops the server and has
   * `leiniao audit` and `leiniao export` say the same.
   */
  async concludes(): Promise<void> {
    this.storm.ends();
    await within('the end of the storm', this.#running!, 20_000);
    const api = new Api(await this.server.url());
    onTestFinished(() => api.close());
    await until('every hold to end', () => this.storm.isSettled(api));
    await this.storm.inspects(api);
    this.judge.concludes();
    this.expectNothingWrong();
    const lines = await this.#lines(api);
    await this.storm.closes();
    await api.close();
    this.server.child.kill('SIGTERM');
    expect(await within('the end', this.server.ended(), 20_000)).toBe(0);
    const [audit, exported] = await Promise.all([
      runCli('audit', this.dataDir, '--json'),
      runCli('export', this.dataDir),
    ]);
    const report = JSON.parse(audit.stdout);
    expect([audit.code, report.verdict, report.findings]).toEqual([0, 'sound', []]);
    expect(report.skus.map(unitsOf).sort()).toEqual(lines);
    expect(exported.code).toBe(0);
    const rows = exported.stdout
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row).orderId);
    // Everybody has been told of his order by now, so there are no others.
    expect(rows.sort()).toEqual(this.judge.orderIds.sort());
  }

  async #lines(api: Api): Promise<string[]> {
    const sales = [...new Set(offers.map(({ sale }) => sale))];
    const answers = await Promise.all(sales.map((sale) => api.get(`/v1/sales/${sale}`)));
    return answers
      .flatMap(({ sale: { sale, skus } }) => skus.map((line) => unitsOf({ sale, ...line })))
      .sort();
  }
}

function unitsOf({
  sale,
  sku,
  total,
  available,
  held,
  confirmed,
}: { readonly sale: string } & SkuJson): string {
  return JSON.stringify({ sale, sku, total, available, held, confirmed });
}
