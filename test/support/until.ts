/** Waiting for something that can be looked at, or for a promise, never longer than a deadline. */
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 5;

/** Looks again and again until `look` gives something truthy, and resolves to that. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen as Exclude<T, undefined | null | false | 0 | ''>;
    if (performance.now() > endsAt) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(pollMs);
  }
}

/** What the promise resolves to, or an error that says what did not come in time. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = 10_000): Promise<T> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise,
      delay(deadlineMs, undefined, { signal: timer.signal }).then(() => {
        throw new Error(`not within ${deadlineMs} ms: ${what}`);
      }),
    ]);
  } finally {
    timer.abort();
  }
}
