/** Asks until there is a conclusive answer, a bounded number of times, as a well-behaved client would. */
import { setTimeout as sleep } from 'node:timers/promises';
import { compile } from '../../validation.js';
import type { Connection, HttpAnswer, HttpQuestion } from './connection.js';
import { Tally } from './tally.js';

const triesMax = 8;
const backoffMsFirst = 50;
const retryAfterSecondsMax = 5;
/** Nobody at all answered for this long: the server is gone. */
const silenceMsMax = 15_000;

/** `shed`: turned away each time before anything could happen. `unknown`: perhaps carried out. */
export type Asked =
  | { readonly kind: 'answered'; readonly answer: HttpAnswer }
  | { readonly kind: 'shed' }
  | { readonly kind: 'unknown' };

/** The server stopped answering anybody. */
export class ServerGone extends Error {}

const ProblemCheck = compile({
  type: 'object',
  required: ['code'],
  properties: { code: { type: 'string' } },
});

/** The code of a problem answer, or its status where the body has none. */
export function codeOf(answer: HttpAnswer): string {
  const body = parseJson(answer.body);
  return ProblemCheck.Check(body) ? body.code : `status_${answer.status}`;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isConclusive = (status: number): boolean => status < 500 && status !== 429;

/** Codes that promise that nothing was admitted. Others may hide an order that was made. */
const shedCodes = new Set(['overloaded', 'rate_limited']);

export class Asker {
  readonly #tally: Tally;
  readonly #signal: AbortSignal;
  #lastAnswerAt = performance.now();

  constructor(tally: Tally, signal: AbortSignal) {
    this.#tally = tally;
    this.#signal = signal;
  }

  /**
   * Repeats the question while it is turned away. Only for questions that are safe to repeat: those with an
   * idempotency key, or idempotent by nature. Calls `onAnswer` with each answer's latency.
   * Throws ServerGone, or the signal's reason once aborted.
   */
  async ask(
    connection: Connection,
    question: HttpQuestion,
    onAnswer?: (latencyMs: number) => void,
  ): Promise<Asked> {
    let certainlyNothingHappened = true;
    for (let attempt = 0; attempt < triesMax; attempt += 1) {
      this.#signal.throwIfAborted();
      const sentAt = performance.now();
      let retryAfter: string | undefined;
      try {
        const answer = await connection.ask(question);
        this.#lastAnswerAt = performance.now();
        onAnswer?.(this.#lastAnswerAt - sentAt);
        if (isConclusive(answer.status)) return { kind: 'answered', answer };
        const code = codeOf(answer);
        Tally.bump(this.#tally.turnedAway, code);
        certainlyNothingHappened &&= shedCodes.has(code);
        retryAfter = answer.headers['retry-after'];
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#tally.networkError(error);
        certainlyNothingHappened = false;
        if (performance.now() - this.#lastAnswerAt > silenceMsMax) {
          throw new ServerGone('the server stopped answering', { cause: error });
        }
      }
      if (attempt + 1 < triesMax)
        await sleep(delayMs(attempt, retryAfter), undefined, { signal: this.#signal });
    }
    return { kind: certainlyNothingHappened ? 'shed' : 'unknown' };
  }
}

/** What the server asks for, or a doubling delay; spread out, so that those refused together don't return together. */
function delayMs(attempt: number, retryAfter: string | undefined): number {
  const seconds = retryAfter === undefined ? Number.NaN : Number(retryAfter);
  const asked =
    seconds >= 0 ? Math.min(seconds, retryAfterSecondsMax) * 1_000 : backoffMsFirst * 2 ** attempt;
  return asked * (1 + 0.5 * Math.random());
}
