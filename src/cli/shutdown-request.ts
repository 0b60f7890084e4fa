/** Turns the first SIGINT or SIGTERM into a request to shut down, and the second into an immediate end. */

/** `npm start` and a terminal can both deliver one key press: a repeat this soon is the same request. */
const sameRequestMs = 100;

type ShutdownSignal = 'SIGINT' | 'SIGTERM';

/**
 * Ends this process by the signal itself, as if nobody had handled it: shells report 130 or 143.
 * Not `process.exit`, which tears the thread's environment down: with a uWebSockets.js app alive in it that
 * aborts with a core dump. A signal's default action runs nothing of ours.
 */
function endBy(signal: ShutdownSignal): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Only the first process of a container gets here: the kernel keeps default actions from it.
  process.abort();
}

export interface ShutdownRequest {
  /** Resolves with the reason once somebody asks. */
  readonly asked: Promise<string>;
  /** The same for whoever looks in between. */
  readonly isAsked: () => boolean;
  /** Asks from inside, with a reason for the log. */
  readonly ask: (reason: string) => void;
}

export function shutdownRequest(): ShutdownRequest {
  let askedAt: number | undefined;
  let ask: (reason: string) => void = () => {};
  const asked = new Promise<string>((resolve) => {
    ask = (reason) => {
      askedAt ??= performance.now();
      resolve(reason);
    };
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (askedAt === undefined) ask(signal);
    else if (performance.now() - askedAt >= sameRequestMs) endBy(signal as ShutdownSignal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { asked, isAsked: () => askedAt !== undefined, ask: (reason) => ask(reason) };
}
