/** What a crowd of clients has in common: how many there are, and what they make of a server that was sent a signal. */

import type { Answer } from '../support/api.js';
import type { ServeProcess } from '../support/serve-process.js';

export const width = 64;

/** What a server answers, or undefined where it was sent a signal meanwhile: one that is there has to answer. */
export async function heard(server: ServeProcess, call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!server.child.killed) throw error;
    return undefined;
  }
}

export async function each<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const one = async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await run(item);
  };
  await Promise.all(Array.from({ length: width }, one));
}
