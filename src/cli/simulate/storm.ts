/**
 * The storm: every connection takes the next click, sends it, hears the answer, and takes the next. One
 * thread; what the buyers are told is written into their attempts.
 */
import { compile } from '../../validation.js';
import { type Asker, codeOf, parseJson } from './asker.js';
import type { Connection } from './connection.js';
import type { Answer, Round } from './evidence.js';
import { Tally } from './tally.js';
import type { OpenAttempt } from './workload.js';

const OrderCheck = compile({
  type: 'object',
  required: ['orderId', 'sku', 'buyer', 'quantity', 'sequence', 'status'],
  properties: {
    orderId: { type: 'string', minLength: 1 },
    sku: { type: 'string' },
    buyer: { type: 'string' },
    quantity: { type: 'integer' },
    sequence: { type: 'integer' },
    status: { type: 'string' },
  },
});

export interface StormOptions {
  readonly saleId: string;
  readonly skuIds: readonly string[];
  readonly connections: readonly Connection[];
  readonly asker: Asker;
  readonly tally: Tally;
}

export class Storm {
  readonly #options: StormOptions;
  readonly #ordersPath: string;
  /** Clicks done so far, for the progress line. */
  done = 0;

  constructor(options: StormOptions) {
    this.#options = options;
    this.#ordersPath = `/v1/sales/${options.saleId}/orders`;
  }

  /** Resolves when every click has been answered or given up. Throws ServerGone, or the abort's reason. */
  async run(clicks: readonly OpenAttempt[], round: Round): Promise<void> {
    let next = 0;
    const lane = async (connection: Connection): Promise<void> => {
      while (next < clicks.length) {
        const attempt = clicks[next]!;
        next += 1;
        await this.#buy(connection, attempt, round);
        this.done += 1;
      }
    };
    await Promise.all(this.#options.connections.slice(0, clicks.length).map(lane));
  }

  async #buy(connection: Connection, attempt: OpenAttempt, round: Round): Promise<void> {
    const firstClick = attempt.clicks.length === 0;
    const status = await this.#click(connection, attempt, round);
    if (status !== undefined && !attempt.settling) {
      attempt.settling = true;
      await this.#settle(connection, attempt, status, round);
    }
    if (round === 'storm' && firstClick && attempt.plan.clickAfterwards) {
      await this.#click(connection, attempt, round);
    }
  }

  /** One click. Returns the order's status if there is an order. */
  async #click(connection: Connection, attempt: OpenAttempt, round: Round): Promise<string | undefined> {
    const { asker, tally, skuIds } = this.#options;
    const { buyer, quantity, key } = attempt;
    const json = JSON.stringify({ sku: skuIds[attempt.skuIndex], buyer, quantity });
    const sentAt = performance.now();
    const asked = await asker.ask(
      connection,
      { method: 'POST', path: this.#ordersPath, json, idempotencyKey: key },
      (latencyMs) => {
        tally.orderAnswers += 1;
        tally.recordLatency(latencyMs);
      },
    );
    const answeredAt = performance.now();
    const tell = (answer: Answer): void => {
      attempt.clicks.push({ round, sentAt, answeredAt, answer });
    };
    if (asked.kind !== 'answered') {
      tally.unanswered += 1;
      tell(asked);
      return undefined;
    }
    const { answer } = asked;
    if (answer.status >= 300) {
      const code = codeOf(answer);
      Tally.bump(tally.refused, code);
      tell({ kind: 'refused', code });
      return undefined;
    }
    const order = parseJson(answer.body);
    if (!OrderCheck.Check(order)) {
      Tally.bump(tally.refused, 'unreadable_order');
      tell({ kind: 'refused', code: 'unreadable_order' });
      return undefined;
    }
    const replayed = answer.status === 200 && answer.headers['idempotency-replayed'] === 'true';
    if (replayed) tally.replayed += 1;
    else tally.accepted += 1;
    const { orderId, sku, sequence } = order;
    tell({
      kind: 'order',
      replayed,
      order: { orderId, sku, buyer: order.buyer, quantity: order.quantity, sequence },
    });
    return order.status;
  }

  async #settle(connection: Connection, attempt: OpenAttempt, status: string, round: Round): Promise<void> {
    // Sold outright, or the acknowledgement of an order that was confirmed before it got lost.
    if (status === 'confirmed') attempt.settlement = 'confirmed';
    const { settle } = attempt.plan;
    // In the last call nobody cancels: whoever is refused then must have been refused for good.
    if (settle === 'leave' || (settle === 'cancel' && round === 'lastCall')) return;
    const [told] = attempt.clicks.flatMap(({ answer }) => (answer.kind === 'order' ? [answer.order] : []));
    const { asker, tally } = this.#options;
    const asked = await asker.ask(connection, {
      method: 'POST',
      path: `/v1/orders/${encodeURIComponent(told!.orderId)}/${settle}`,
    });
    if (asked.kind === 'shed') return;
    if (asked.kind === 'unknown') {
      tally.unanswered += 1;
      attempt.settlement = settle === 'confirm' ? 'confirmUnknown' : 'cancelUnknown';
    } else if (asked.answer.status >= 300) {
      attempt.settlement = { refused: codeOf(asked.answer) };
    } else if (settle === 'confirm') {
      tally.confirmed += 1;
      attempt.settlement = 'confirmed';
    } else {
      tally.cancelled += 1;
      attempt.settlement = 'cancelled';
    }
  }
}
