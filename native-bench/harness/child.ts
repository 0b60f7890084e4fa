/**
 * A measurement in a process of its own: its heap, its compiled code and what it patches are nobody else's. This is the
 * benchmark's end, which asks for one round at a time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Answer, Measurement, Question } from './child-end.js';
import { type Started, startProgram } from './programs.js';

/** How long a child may take to close what it started. */
const closeMsMax = 20_000;

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process that measures, asked for one thing at a time. Whoever starts one stops it. */
export class MeasuringChild<Value> {
  readonly #started: Started;
  #asked: Asked | undefined = undefined;
  /** Why it is of no more use: it says so itself, or it is gone, maybe while nobody asks. */
  #failure: Error | undefined = undefined;

  private constructor(started: Started) {
    this.#started = started;
    const { child } = started;
    child.on('message', (answer: Answer) => {
      if ('error' in answer) this.#fail(new Error(answer.error));
      else this.#asked?.resolve(answer.value);
    });
    child.once('exit', (code, by) => {
      const gone = () => this.#fail(new Error(`a measurement's process ended with ${code ?? by}`));
      // What it said last is on its way until then.
      if (child.connected) child.once('disconnect', gone);
      else gone();
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#asked?.reject(this.#failure);
  }

  async #answer(): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await new Promise((resolve, reject) => {
        this.#asked = { resolve, reject };
      });
    } finally {
      this.#asked = undefined;
    }
  }

  async #ask(question: Question): Promise<unknown> {
    const answered = this.#answer();
    if (this.#failure === undefined) this.#started.child.send(question);
    return await answered;
  }

  /**
   * Starts a module that calls `serveMeasurement`, and resolves once it has opened what it measures.
   *
   * @param pin the command that keeps a process on its cores, with arguments; empty for none
   * @throws Error what failed in the child, with the child's stack
   */
  static async start<Settings, Value>(
    module: URL,
    settings: Settings,
    pin: readonly string[] = [],
  ): Promise<MeasuringChild<Value>> {
    const [command, ...args] = [...pin, process.execPath, fileURLToPath(module), JSON.stringify(settings)];
    const started = startProgram(command!, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const measuring = new MeasuringChild<Value>(started);
    try {
      // Opened, once it says the first word.
      const opened = measuring.#answer();
      opened.catch(() => undefined);
      await started.spawned;
      await opened;
    } catch (error) {
      await started.stop();
      throw error;
    }
    return measuring;
  }

  /** @throws Error where what was computed is wrong, or what the process died of */
  async measure(round: number): Promise<Value> {
    return (await this.#ask({ round })) as Value;
  }

  /** @throws Error what failed as it ended what it had started, or that this took too long */
  async close(): Promise<void> {
    await Promise.race([this.#ask({ close: true }), tooLate()]);
  }

  readonly stop = (): Promise<void> => this.#started.stop();
}

/**
 * Starts a module as `MeasuringChild.start` does, and ends it when `use` is done or has failed.
 *
 * @param pin the command that keeps a process on its cores, with arguments; empty for none
 */
export async function measureInChild<Settings, Value, Result>(
  module: URL,
  settings: Settings,
  use: (measurement: Pick<Measurement<Value>, 'measure'>) => Promise<Result>,
  pin: readonly string[] = [],
): Promise<Result> {
  const child = await MeasuringChild.start<Settings, Value>(module, settings, pin);
  try {
    const result = await use({ measure: (round) => child.measure(round) });
    await child.close();
    return result;
  } finally {
    await child.stop();
  }
}

async function tooLate(): Promise<never> {
  await delay(closeMsMax, undefined, { ref: false });
  throw new Error(`it did not close within ${closeMsMax} ms`);
}
