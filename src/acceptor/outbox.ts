import type { Answer } from './answer.js';
import { threadEventLoop } from './event-loop.js';
import type { Exchange } from './exchange.js';

/**
 * Answers that are plain at once, kept until the end of the turn of the event loop in which they were decided: in a rush
 * all requests of a turn are read first, and all answers sent then. Whoever reads them is woken once instead of for each,
 * and reading and sending do not push each other's code out of the processor's caches. Of one server, on its thread; it
 * holds at most one answer per connection.
 */
export class Outbox {
  readonly #exchanges: Exchange[] = [];
  readonly #answers: Answer[] = [];
  readonly #send = (): void => {
    const exchanges = this.#exchanges;
    for (let i = 0; i < exchanges.length; i++) {
      const exchange = exchanges[i]!;
      try {
        exchange.answer(this.#answers[i]!);
      } catch (error) {
        exchange.fail(error);
      }
    }
    exchanges.length = 0;
    this.#answers.length = 0;
  };

  add(exchange: Exchange, answer: Answer): void {
    this.#answers.push(answer);
    if (this.#exchanges.push(exchange) === 1) threadEventLoop.soon(this.#send);
  }
}
