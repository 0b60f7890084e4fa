/**
 * A crowd of clients over HTTP that outlives the server it talks to: whoever gets no definite answer asks again with the
 * same key, of the next server if need be. All that it asks and hears goes to a judge.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, Api, type SaleJson, type SkuJson } from './api.js';
import type { OrderJudge } from './order-judge.js';
import type { Click, Offer, Told, ToldOrder } from './told-facts.js';

type Random = () => number;

/** Codes of a 503: not decided, or decided and not told. */
const indefinite: ReadonlySet<string> = new Set([
  'overloaded',
  'shard_recovering',
  'timeout',
  'shutting_down',
]);
/** How long a client who was answered 503 waits: less than he is asked to, so that he is a nuisance. */
const patienceMs = 30;
/** Steps are taken with orders that were placed not much longer ago than this many. */
const recentCount = 200;

export class JudgedStorm {
  readonly #offers: readonly Offer[];
  readonly #judge: OrderJudge;
  readonly #buyers: readonly string[];
  readonly #random: Random;
  readonly #clients: number;
  #api: Promise<Api>;
  #handOver: (api: Api) => void = () => undefined;
  #current: Api | undefined;
  #stopping = false;
  #numbers = 0;
  readonly #orders: ToldOrder[] = [];
  readonly #settled: Click[] = [];
  /** Questions that were cut off. */
  lost = 0;
  /** By code: answers 503. */
  readonly unavailable = new Map<string, number>();

  constructor(options: { offers: readonly Offer[]; judge: OrderJudge; random: Random; clients: number }) {
    this.#offers = options.offers;
    this.#judge = options.judge;
    this.#random = options.random;
    this.#clients = options.clients;
    this.#buyers = Array.from({ length: 4 * options.clients }, (_, i) => `buyer-${i}`);
    this.#api = this.#nextApi();
  }

  /** Orders that clients were told of. */
  get acknowledged(): number {
    return this.#orders.length;
  }

  /** Answers 503 so far. */
  get turnedAway(): number {
    return [...this.unavailable.values()].reduce((sum, count) => sum + count, 0);
  }

  #nextApi(): Promise<Api> {
    return new Promise((done) => {
      this.#handOver = done;
    });
  }

  /** There is a server to talk to from now on. */
  meets(url: string): void {
    this.#current = new Api(url, this.#clients);
    this.#handOver(this.#current);
  }

  /** The server is about to be killed: nobody is surprised by what he does not hear. */
  async loses(kill: () => Promise<void>): Promise<void> {
    const lost = this.#current;
    this.#current = undefined;
    this.#api = this.#nextApi();
    await kill();
    await lost?.close();
  }

  /** Resolves once `ends` was called and everybody knows what became of what he asked for. */
  async runs(): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#clients }, async () => {
        while (!this.#stopping) await this.#act();
      }),
    );
  }

  ends(): void {
    this.#stopping = true;
  }

  async closes(): Promise<void> {
    await this.#current?.close();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  /** Asks until there is a definite answer. */
  async #hears(send: (api: Api) => Promise<Answer>, onCutOff: () => void): Promise<Told> {
    for (;;) {
      const api = await this.#api;
      const sentAt = performance.now();
      let answer: Answer;
      try {
        answer = await send(api);
      } catch (error) {
        // A server that is there has to answer.
        if (api === this.#current) throw error;
        this.lost += 1;
        onCutOff();
        continue;
      }
      const answeredAt = performance.now();
      if (answer.status !== 503) return { answer, sentAt, answeredAt };
      onCutOff();
      if (!indefinite.has(answer.code!)) throw new Error(`503 with code ${answer.code}`);
      this.unavailable.set(answer.code!, (this.unavailable.get(answer.code!) ?? 0) + 1);
      await delay(patienceMs);
    }
  }

  async #act(): Promise<void> {
    const roll = this.#random();
    if (roll < 0.45) await this.#place();
    else if (roll < 0.58) await this.#step('confirm', this.#recent());
    else if (roll < 0.66) await this.#step('cancel', this.#recent());
    else if (roll < 0.76) await this.#step('read', this.#recent());
    else if (roll < 0.86) await this.#step('confirm', this.#overdue());
    else if (roll < 0.92) await this.#pressAgain();
    else if (roll < 0.97) await this.#look();
    else await this.#restock();
  }

  async #place(): Promise<void> {
    const { sale, sku } = this.#pick(this.#offers);
    const ask = { sale, sku, buyer: this.#pick(this.#buyers), quantity: 1 + this.#below(3) };
    // One who has waited for a server may have nothing left to ask.
    await this.#api;
    const click = this.#judge.clicks(ask, `click-${++this.#numbers}`, performance.now());
    const hands = this.#random() < 0.1 ? 2 : 1;
    await Promise.all(Array.from({ length: hands }, () => this.#press(click)));
    this.#judge.clicked(click, performance.now());
    if (click.orderId !== undefined) this.#settled.push(click);
  }

  async #press(click: Click): Promise<void> {
    const { sale, sku, buyer, quantity } = click.ask;
    const told = await this.#hears(
      (api) => {
        click.tries += 1;
        return api.order(sale, { sku, buyer, quantity }, click.key);
      },
      () => {
        click.cutOff = true;
      },
    );
    const known = click.orderId !== undefined;
    this.#judge.placed(click, told);
    if (!known && click.orderId !== undefined) this.#orders.push(told.answer.order);
  }

  async #pressAgain(): Promise<void> {
    if (this.#settled.length === 0) return;
    const click = this.#pick(this.#settled);
    if (this.#random() < 0.7) {
      await this.#press(click);
      return;
    }
    const { sale, sku, buyer, quantity } = click.ask;
    const other = this.#offers.find((offer) => offer.sale === sale && offer.sku !== sku)!.sku;
    // Of another shard or of the same: a key counts for the whole sale.
    const body =
      this.#random() < 0.5 ? { sku, buyer, quantity: quantity + 1 } : { sku: other, buyer, quantity };
    this.#judge.misused(
      click,
      await this.#hears(
        (api) => api.order(sale, body, click.key),
        () => undefined,
      ),
    );
  }

  #recent(): ToldOrder | undefined {
    return this.#orders.at(-1 - this.#below(Math.min(recentCount, this.#orders.length)));
  }

  /** An order whose deadline has passed, if one is soon found. */
  #overdue(): ToldOrder | undefined {
    const candidates = Array.from({ length: 8 }, () =>
      this.#orders.at(-1 - this.#below(Math.min(10 * recentCount, this.#orders.length))),
    );
    return candidates.find((order) => order?.expiresAt && Date.parse(order.expiresAt) < Date.now());
  }

  async #step(step: 'confirm' | 'cancel' | 'read', order: ToldOrder | undefined): Promise<void> {
    if (order === undefined) return;
    const { orderId } = order;
    const told = await this.#hears(
      (api) => {
        this.#judge.asks(step, orderId);
        return step === 'read' ? api.get(`/v1/orders/${orderId}`) : api[step](orderId);
      },
      () => undefined,
    );
    this.#judge.stepped(step, orderId, told);
  }

  async #look(): Promise<void> {
    const { sale } = this.#pick(this.#offers);
    const told = await this.#hears(
      (api) => api.get(`/v1/sales/${sale}`),
      () => undefined,
    );
    for (const line of told.answer.sale.skus) this.#judge.glances(sale, line, told);
  }

  async #restock(): Promise<void> {
    const offer = this.#pick(this.#offers);
    const quantity = this.#pick([1, 2, 5, -1, -3]);
    const key = `restock-${++this.#numbers}`;
    await this.#api;
    const restock = this.#judge.restocks(offer, quantity, key, performance.now());
    const path = `/v1/sales/${offer.sale}/skus/${offer.sku}/restock`;
    const told = await this.#hears(
      (api) => api.post(path, { quantity }, { 'idempotency-key': key }),
      () => {
        restock.cutOff = true;
      },
    );
    this.#judge.restocked(restock, told);
    if (told.answer.status === 200) this.#judge.glances(offer.sale, told.answer.line, told);
  }

  /** Declares the sales. */
  async declares(api: Api): Promise<void> {
    for (const sale of this.#sales) {
      const own = this.#offers.filter((offer) => offer.sale === sale);
      const skus = own.map(({ sku, stock, limitPerBuyer }) => ({ sku, stock, limitPerBuyer }));
      const answer = await api.put(sale, { holdSeconds: own[0]!.holdSeconds, skus });
      if (answer.status !== 201) throw new Error(`the sale was refused: ${JSON.stringify(answer.body)}`);
    }
  }

  get #sales(): string[] {
    return [...new Set(this.#offers.map(({ sale }) => sale))];
  }

  /** Lets the judge see every order and counter there is. Nobody may be asking for anything. */
  async inspects(api: Api): Promise<void> {
    const sentAt = performance.now();
    const before = await this.#lines(api);
    const orders: ToldOrder[] = [];
    const listings = this.#sales.flatMap((sale) => this.#buyers.map((buyer) => ({ sale, buyer })));
    const one = async () => {
      for (let next = listings.pop(); next !== undefined; next = listings.pop()) {
        const answer = await api.get(`/v1/sales/${next.sale}/orders?buyer=${next.buyer}`);
        const page = answer.body as { orders: ToldOrder[]; truncated: boolean };
        if (answer.status !== 200 || page.truncated)
          throw new Error(`no whole listing: ${JSON.stringify(page)}`);
        orders.push(...page.orders);
      }
    };
    await Promise.all(Array.from({ length: 16 }, one));
    const after = await this.#lines(api);
    this.#judge.inspects(orders, before, after, { sentAt, answeredAt: performance.now() });
  }

  /** Every counter, by sale and SKU, shown to the judge on the way. */
  async #lines(api: Api): Promise<Map<string, SkuJson>> {
    const lines = new Map<string, SkuJson>();
    for (const sale of this.#sales) {
      const sentAt = performance.now();
      const { skus } = (await api.get(`/v1/sales/${sale}`)).body as SaleJson;
      for (const line of skus) {
        this.#judge.glances(sale, line, { sentAt, answeredAt: performance.now() });
        lines.set(`${sale}/${line.sku}`, line);
      }
    }
    return lines;
  }

  /** Whether nothing is held any more. */
  async isSettled(api: Api): Promise<boolean> {
    return [...(await this.#lines(api)).values()].every(({ held }) => held === 0);
  }
}
