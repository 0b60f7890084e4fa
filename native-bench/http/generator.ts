/**
 * An open-loop load in a process of its own: orders leave at a steady rate, whether those before them were answered or
 * not, and a latency counts from the moment at which its order was due. So an order that had to wait, for a connection or
 * for this process, has waited: no coordinated omission, and nothing to correct. In the first round, which does not count,
 * a closed loop comes before it: it opens the connections and warms both sides up. Without an open loop, every round is a
 * closed one, and says how much server and generator can do together. The process and its connections stay for all rounds:
 * what is slow in a fresh one is its own code, and would be all that is seen.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { Pool } from 'undici';
import { serveMeasurement } from '../harness/child-end.js';

export interface OpenLoop {
  readonly seconds: number;
  /** Orders per second. */
  readonly rate: number;
}

export interface GeneratorOptions {
  readonly url: string;
  readonly sale: string;
  readonly sku: string;
  readonly prefix: string;
  readonly connections: number;
  /** Of a closed loop: every connection sends its next order when it has an answer. */
  readonly closedSeconds: number;
  /** The same, of the first one. */
  readonly warmUpSeconds: number;
  /** Undefined for closed loops alone. */
  readonly open: OpenLoop | undefined;
  /** Shares of all orders, from 0 to 1, whose latency is asked for. */
  readonly percentiles: readonly number[];
}

export interface OpenLoopResult {
  /** For each percentile: from when an order was due to when its answer was there, in ms. */
  readonly latencyMs: readonly number[];
  /** For each percentile: by how much this process sent an order later than it was due, in ms. */
  readonly latenessMs: readonly number[];
  /** Of a core, what this process took. */
  readonly coreShare: number;
}

export interface GeneratorResult {
  /** Orders that were accepted: all that were sent. */
  readonly accepted: number;
  /** Orders per second in the closed loop; undefined where there was none. */
  readonly closedPerSecond: number | undefined;
  /** Undefined where there was none. */
  readonly open: OpenLoopResult | undefined;
}

/** A sleep between two looks at what is due; the kernel adds some 50 µs to it. */
const napMs = 0.01;
const nobody = new Int32Array(new SharedArrayBuffer(4));

const headers = { 'content-type': 'application/json' };

/** Sends orders, each by another buyer. */
class Buyers {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #start: string;
  #sent = 0;
  #accepted = 0;

  constructor({ url, connections, sale, sku, prefix }: GeneratorOptions) {
    this.#pool = new Pool(url, { connections, pipelining: 1 });
    this.#path = `/v1/sales/${sale}/orders`;
    this.#start = `{"sku":"${sku}","buyer":"${prefix}00-`;
  }

  get accepted(): number {
    return this.#accepted;
  }

  /** @param answered is called when the whole answer is there, with an error if it is none or no order */
  order(answered: (error?: Error) => void): void {
    this.#sent += 1;
    const body = `${this.#start}${100_000_000 + this.#sent}"}`;
    let status = 0;
    // `dispatch` rather than `request`: a stream per answer would cost more than the answer.
    this.#pool.dispatch(
      { method: 'POST', path: this.#path, headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData() {},
        onResponseEnd: () => {
          if (status !== 201) return answered(new Error(`an order was answered ${status}`));
          this.#accepted += 1;
          answered();
        },
        onResponseError(_controller, error) {
          answered(error);
        },
      },
    );
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

/** Resolves with orders per second. */
function closedLoop(buyers: Buyers, connections: number, seconds: number): Promise<number> {
  const startedMs = performance.now();
  const before = buyers.accepted;
  let waiting = connections;
  return new Promise((resolve, reject) => {
    const next = (error?: Error) => {
      if (error !== undefined) return reject(error);
      const spentMs = performance.now() - startedMs;
      if (spentMs < seconds * 1_000) return buyers.order(next);
      waiting -= 1;
      if (waiting === 0) resolve(((buyers.accepted - before) / spentMs) * 1_000);
    };
    for (let i = 0; i < connections; i++) buyers.order(next);
  });
}

interface Times {
  readonly latency: RecordableHistogram;
  readonly lateness: RecordableHistogram;
}

function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1e6)));
}

function openLoop(buyers: Buyers, rate: number, seconds: number): Promise<Times> {
  // Of nanoseconds, to three digits.
  const times = { latency: createHistogram({ figures: 3 }), lateness: createHistogram({ figures: 3 }) };
  const total = Math.round(rate * seconds);
  const startedMs = performance.now();
  let sent = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    const send = (dueMs: number) =>
      buyers.order((error) => {
        if (error !== undefined) return reject(error);
        record(times.latency, performance.now() - dueMs);
        answered += 1;
        if (answered === total) resolve(times);
      });
    const pace = () => {
      for (; sent < total; sent++) {
        const dueMs = startedMs + (sent / rate) * 1_000;
        const lateMs = performance.now() - dueMs;
        if (lateMs < 0) break;
        record(times.lateness, lateMs);
        send(dueMs);
      }
      if (sent === total) return;
      // A timer would wake us up once a millisecond at best, and every order would be late; and who never sleeps keeps a
      // core from the server that on a machine of its own it would not have.
      Atomics.wait(nobody, 0, 0, napMs);
      setImmediate(pace);
    };
    pace();
  });
}

async function measureOpenLoop(
  buyers: Buyers,
  { rate, seconds }: OpenLoop,
  percentiles: readonly number[],
): Promise<OpenLoopResult> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  const { latency, lateness } = await openLoop(buyers, rate, seconds);
  const spentMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  const inMs = (histogram: RecordableHistogram) =>
    percentiles.map((share) => histogram.percentile(share * 100) / 1e6);
  return {
    ...{ latencyMs: inMs(latency), latenessMs: inMs(lateness) },
    coreShare: (user + system) / 1_000 / spentMs,
  };
}

async function generate(buyers: Buyers, options: GeneratorOptions, round: number): Promise<GeneratorResult> {
  const { connections, closedSeconds, warmUpSeconds, open, percentiles } = options;
  const before = buyers.accepted;
  const seconds = round === 0 ? warmUpSeconds : closedSeconds;
  const closed = round === 0 || open === undefined;
  const closedPerSecond = closed ? await closedLoop(buyers, connections, seconds) : undefined;
  const opened = open === undefined ? undefined : await measureOpenLoop(buyers, open, percentiles);
  return { accepted: buyers.accepted - before, closedPerSecond, open: opened };
}

await serveMeasurement((options: GeneratorOptions) => {
  const buyers = new Buyers(options);
  return { measure: (round) => generate(buyers, options, round), close: () => buyers.close() };
});
