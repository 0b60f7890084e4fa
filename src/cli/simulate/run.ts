/** One simulation against one server: open a sale, storm it, call the last, read it, judge. */
import { Asker, ServerGone } from './asker.js';
import { addsUp } from './check-counts.js';
import { Connection } from './connection.js';
import type { SkuCounters } from './evidence.js';
import type { SimulateOptions } from './options.js';
import { showProgress } from './progress.js';
import type { Outcome } from './report.js';
import { CouldNotRun, SaleClient } from './sale-client.js';
import { Storm } from './storm.js';
import { Tally } from './tally.js';
import { judge } from './verdict.js';
import { type OpenAttempt, planLastCall, planWorkload } from './workload.js';

const glimpseMs = 200;
/** Each pass serves somebody or asks nobody twice; the limit only guards against a server that misbehaves. */
const lastCallsMax = 8;

/** Unique among simulations, also those of another process, and readable in a list of sales. */
const newSaleId = (): string => `simulate-${Date.now().toString(36)}-${process.pid}`;

async function refuseUnreachable(connection: Connection, url: string): Promise<void> {
  const answer = await connection.ask({ method: 'GET', path: '/readyz' }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw new CouldNotRun(`cannot reach ${url}: ${reason}`);
  });
  if (answer.status !== 200) throw new CouldNotRun(`${url} is not ready: GET /readyz says ${answer.status}`);
}

/** Opens every connection beforehand, so that latencies are those of orders and not of handshakes. */
async function connectAll(connections: readonly Connection[], url: string): Promise<void> {
  const greetings = connections.map((connection) => connection.ask({ method: 'GET', path: '/healthz' }));
  await Promise.all(greetings).catch((error: unknown) => {
    throw new CouldNotRun(`cannot open ${connections.length} connections to ${url}: ${String(error)}`);
  });
}

interface Glimpses {
  taken: number;
  readonly broken: SkuCounters[];
}

/** Reads the sale over and over until stopped: its lines must add up at every moment. */
function watch(sale: SaleClient, glimpses: Glimpses): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      glimpses.broken.push(...(await sale.counters()).filter((line) => !addsUp(line)));
      glimpses.taken += 1;
    } catch {
      // A glimpse that fails proves nothing; the reading that counts is the one at the end.
    }
    if (!stopped) timer = setTimeout(start, glimpseMs);
  };
  const start = (): void => {
    reading = look();
  };
  start();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await reading;
  };
}

/** Those whose hold may be over by now, whenever in between the server made it. */
function markExpirable(attempts: readonly OpenAttempt[], holdSeconds: number, now: number): void {
  if (holdSeconds === 0) return;
  for (const attempt of attempts) {
    const [first] = attempt.clicks;
    attempt.mayHaveExpired = first !== undefined && first.sentAt + holdSeconds * 1_000 <= now;
  }
}

/** The storm had begun and came to no end, so there is no verdict; the message says why and what is left behind. */
export class EndedEarly extends Error {}

/** Throws CouldNotRun, ServerGone, EndedEarly, or the signal's reason once aborted. */
export async function run(url: string, options: SimulateOptions, signal: AbortSignal): Promise<Outcome> {
  const { workload } = options;
  const { skus, attempts, clicks } = planWorkload(workload);
  const tally = new Tally();
  const asker = new Asker(tally, signal);
  const saleId = newSaleId();
  const connections = Array.from({ length: workload.connections }, () => new Connection(url));
  const operator = new Connection(url);
  const closeAll = async (): Promise<void> => {
    await Promise.all([operator, ...connections].map((connection) => connection.close()));
  };
  // An abort must not wait for answers that may never come.
  const onAbort = (): void => void closeAll();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await refuseUnreachable(operator, url);
    const sale = new SaleClient(operator, asker, saleId);
    await sale.open({ saleId, holdSeconds: workload.holdSeconds, skus });

    await connectAll(connections, url);
    const glimpses: Glimpses = { taken: 0, broken: [] };
    const storm = new Storm({ saleId, skuIds: skus.map(({ sku }) => sku), connections, asker, tally });
    const progress = options.json ? undefined : showProgress(clicks.length, () => storm.done, tally);
    const stopWatching = watch(sale, glimpses);
    const startedAt = performance.now();
    let stormMs = 0;
    try {
      await storm.run(clicks, 'storm');
      stormMs = performance.now() - startedAt;
    } finally {
      progress?.stop();
      await stopWatching();
    }
    const stormAnswers = tally.orderAnswers;
    if (stormAnswers === 0) throw new CouldNotRun('no order was answered');

    let counters = await sale.counters();
    for (let pass = 0; pass < lastCallsMax; pass += 1) {
      const available = new Map(counters.map((line) => [line.sku, line.available]));
      const left = skus.map(({ sku }) => available.get(sku) ?? 0);
      const asked = planLastCall(attempts, left);
      if (asked.length === 0) break;
      await storm.run(asked, 'lastCall');
      counters = await sale.counters();
    }
    markExpirable(attempts, workload.holdSeconds, performance.now());
    const verdict = judge({ skus, attempts, counters, brokenGlimpses: glimpses.broken });
    const warnings: string[] = [];
    if (options.url !== undefined) {
      await sale.end().catch((error: unknown) => warnings.push(String(error)));
    }
    const { taken } = glimpses;
    return { options, saleId, url, tally, stormMs, stormAnswers, verdict, glimpses: taken, warnings };
  } catch (error) {
    // What fails because of an abort fails in many ways; the reason is what matters.
    const reason: unknown = signal.aborted ? signal.reason : error;
    if (tally.accepted === 0 || !(reason instanceof CouldNotRun || reason instanceof ServerGone))
      throw reason;
    const left = options.url === undefined ? '' : `, and the sale ${saleId} is still open on ${url}`;
    throw new EndedEarly(`${reason.message}: ${tally.accepted} orders had been accepted by then${left}`);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await closeAll();
  }
}
