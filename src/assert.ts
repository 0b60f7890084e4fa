/** Assertions on our own mistakes. They stay on in production: a broken invariant must stop, not spread. */

/** A broken invariant. */
export class AssertionFailure extends Error {
  constructor(invariant: string) {
    super(`assertion failed: ${invariant}`);
    this.name = 'AssertionFailure';
  }
}

/** Throws if `condition` is false. The message names the invariant. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Closes a `switch` over a union: adding a member without a case fails to compile. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`there is no case for ${String(value)}`);
}
