/** Answers that wait for the end of a turn of the event loop. Of one server, on its thread. */
import type { Answer } from './answer.js';
import { type EventLoop, threadEventLoop } from './event-loop.js';

/** Whoever an answer goes to. */
export interface Recipient {
  answer(answer: Answer): void;
  /** Told of an exception in `answer`: a defect of ours. */
  fail(error: unknown): void;
}

/**
 * Answers that are decided at once, kept until the end of the turn in which that was: in a rush all requests of a turn are
 * read first, and all answers sent then. Whoever reads them is woken once instead of for each, and reading and sending do
 * not push each other's code out of the processor's caches. It holds at most one answer per connection.
 */
export class Outbox {
  readonly #soon: EventLoop['soon'];
  #recipients: Recipient[] = [];
  #answers: Answer[] = [];
  /** The other two lists: empty, or being sent. */
  #sentRecipients: Recipient[] = [];
  #sentAnswers: Answer[] = [];
  readonly #turn = () => this.#send();

  constructor({ soon }: Pick<EventLoop, 'soon'> = threadEventLoop) {
    this.#soon = soon;
  }

  add(recipient: Recipient, answer: Answer): void {
    this.#answers.push(answer);
    if (this.#recipients.push(recipient) === 1) this.#soon(this.#turn);
  }

  #send(): void {
    const recipients = this.#recipients;
    const answers = this.#answers;
    // Before anything can throw: what is added from now on belongs to the next turn.
    this.#recipients = this.#sentRecipients;
    this.#answers = this.#sentAnswers;
    this.#sentRecipients = recipients;
    this.#sentAnswers = answers;
    try {
      for (let i = 0; i < recipients.length; i++) give(recipients[i]!, answers[i]!);
    } finally {
      recipients.length = 0;
      answers.length = 0;
    }
  }
}

function give(recipient: Recipient, answer: Answer): void {
  try {
    recipient.answer(answer);
  } catch (error) {
    recipient.fail(error);
  }
}
