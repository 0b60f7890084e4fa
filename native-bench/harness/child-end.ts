/** The other end of a measurement in a process of its own: the child's, which answers. See child.ts. */

export interface Measurement<Value> {
  /**
   * Measures once.
   *
   * @param round 0 for the one that warms up and does not count
   * @throws Error where what was computed is wrong
   */
  readonly measure: (round: number) => Promise<Value> | Value;
  /** Ends what was started. */
  readonly close: () => Promise<void> | void;
}

export type Question = { readonly round: number } | { readonly close: true };
export type Answer = { readonly value?: unknown } | { readonly error: string };

/** Answers the benchmark that started this process, until it has closed the measurement or is gone. */
export async function serveMeasurement<Settings, Value>(
  open: (settings: Settings) => Promise<Measurement<Value>> | Measurement<Value>,
): Promise<void> {
  process.once('disconnect', () => process.exit());
  let measurement: Measurement<Value>;
  try {
    measurement = await open(JSON.parse(process.argv[2]!) as Settings);
  } catch (error) {
    say(failure(error));
    return;
  }
  process.on('message', async (question: Question) => {
    try {
      if ('close' in question) {
        await measurement.close();
        say({}, () => process.disconnect());
      } else {
        say({ value: await measurement.measure(question.round) });
      }
    } catch (error) {
      say(failure(error));
    }
  });
  say({});
}

/** Ends this process, because of something that went wrong beside any question. */
export function die(error: unknown): void {
  say(failure(error), () => process.exit(1));
}

function say(answer: Answer, said?: () => void): void {
  process.send!(answer, undefined, undefined, said);
}

function failure(error: unknown): Answer {
  if (!(error instanceof Error)) return { error: String(error) };
  const cause = error.cause instanceof Error ? `\ncause: ${error.cause.stack}` : '';
  return { error: `${error.stack ?? error.message}${cause}` };
}
