/** What was started for a while, some rounds, a contest or the whole benchmark, and is stopped after it. */

interface Stoppable {
  readonly stop: () => Promise<void>;
}

/** In the opposite order: servers before their stores. */
export class Running {
  readonly #stops: (() => Promise<void>)[] = [];

  add<T extends Stoppable>(started: T): T {
    this.#stops.push(() => started.stop());
    return started;
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}

/** Stops what `use` has started, when it is done or has failed. */
export async function whileRunning<T>(use: (running: Running) => Promise<T>): Promise<T> {
  const running = new Running();
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
}
