import type { Answer } from './answer.js';
import { threadEventLoop } from './event-loop.js';

/** Whoever an answer goes to. */
export interface Recipient {
  answer(answer: Answer): void;
  /** Told of an exception in `answer`: a defect of ours. */
  fail(error: unknown): void;
}

/**
 * Answers that are plain at once, kept until the end of the turn of the event loop in which they were decided: in a rush
 * all requests of a turn are read first, and all answers sent then. Whoever reads them is woken once instead of for each,
 * and reading and sending do not push each other's code out of the processor's caches. Of one server, on its thread; it
 * holds at most one answer per connection.
 */
export class Outbox {
  readonly #recipients: Recipient[] = [];
  readonly #answers: Answer[] = [];
  readonly #send = (): void => {
    const recipients = this.#recipients;
    for (let i = 0; i < recipients.length; i++) {
      const recipient = recipients[i]!;
      try {
        recipient.answer(this.#answers[i]!);
      } catch (error) {
        recipient.fail(error);
      }
    }
    recipients.length = 0;
    this.#answers.length = 0;
  };

  add(recipient: Recipient, answer: Answer): void {
    this.#answers.push(answer);
    if (this.#recipients.push(recipient) === 1) threadEventLoop.soon(this.#send);
  }
}
