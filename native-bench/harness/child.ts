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

/**
 * Starts a module that calls `serveMeasurement`, and ends it when `use` is done or has failed.
 *
 * @throws Error what failed in the child, with the child's stack
 */
export async function measureInChild<Settings, Value, Result>(
  module: URL,
  settings: Settings,
  use: (measurement: Pick<Measurement<Value>, 'measure'>) => Promise<Result>,
): Promise<Result> {
  const started = startProgram(process.execPath, [fileURLToPath(module), JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    await started.spawned;
    // Opened, once it says the first word.
    await answerOf(started);
    const result = await use({ measure: async (round) => (await ask(started, { round })) as Value });
    await Promise.race([ask(started, { close: true }), tooLate()]);
    return result;
  } finally {
    await started.stop();
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
