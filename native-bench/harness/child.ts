/**
 * A measurement in a process of its own: its heap, its compiled code and what it patches are nobody else's. This is the
 * benchmark's end, which asks for one round at a time.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Answer, Measurement, Question } from './child-end.js';
import { type Started, startProgram } from './programs.js';

/** How long a child may take to close what it started. */
const closeMsMax = 20_000;

/** A process that measures. Whoever starts one stops it. */
export class MeasuringChild<Value> {
  readonly #started: Started;

  private constructor(started: Started) {
    this.#started = started;
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
    try {
      await started.spawned;
      // Opened, once it says the first word.
      await answerOf(started);
    } catch (error) {
      await started.stop();
      throw error;
    }
    return new MeasuringChild(started);
  }

  /** @throws Error where what was computed is wrong */
  async measure(round: number): Promise<Value> {
    return (await ask(this.#started, { round })) as Value;
  }

  /** Lets it end what it has started. */
  async close(): Promise<void> {
    await Promise.race([ask(this.#started, { close: true }), tooLate()]);
  }

  readonly stop = (): Promise<void> => this.#started.stop();
}

/** Starts a module as `MeasuringChild.start` does, and ends it when `use` is done or has failed. */
export async function measureInChild<Settings, Value, Result>(
  module: URL,
  settings: Settings,
  use: (measurement: Pick<Measurement<Value>, 'measure'>) => Promise<Result>,
): Promise<Result> {
  const child = await MeasuringChild.start<Settings, Value>(module, settings);
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

async function ask(started: Started, question: Question): Promise<unknown> {
  const answered = answerOf(started);
  started.child.send(question);
  return await answered;
}

async function answerOf({ child }: Started): Promise<unknown> {
  const heard = new AbortController();
  const { signal } = heard;
  try {
    const [answer] = (await Promise.race([once(child, 'message', { signal }), ended(child, signal)])) as [
      Answer,
    ];
    if ('error' in answer) throw new Error(answer.error);
    return answer.value;
  } finally {
    heard.abort();
  }
}

async function ended(child: Started['child'], signal: AbortSignal): Promise<never> {
  const [code, by] = (await once(child, 'exit', { signal })) as [number | null, string | null];
  throw new Error(`a measurement's process ended with ${code ?? by}`);
}
