/** Assertions on our own mistakes. They stay on in production: a broken invariant must stop, not spread. */

/** Throws if `condition` is false. The message names the invariant. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Closes a `switch` over a union: adding a member without a case fails to compile. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
