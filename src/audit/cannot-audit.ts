/** The audit cannot begin, or cannot go on: nothing can be said to be right or wrong. */
export class CannotAudit extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CannotAudit';
  }
}
