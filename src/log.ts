/** What the engine logs to: the part of pino's interface that we use, so that embedders can bring their own. */
export interface Logger {
  info(details: object, message: string): void;
  info(message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** Logs nothing: the default for embedders. */
export const silentLogger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** The same logger, but one that throws takes nobody with it. */
export function guarded(log: Logger): Logger {
  const quietly =
    (level: keyof Logger): Logger['info'] =>
    (...line: unknown[]) => {
      try {
        (log[level] as (...line: unknown[]) => void)(...line);
      } catch {
        // Whoever gave us such a logger has nobody left to tell.
      }
    };
  return { info: quietly('info'), warn: quietly('warn'), error: quietly('error') };
}
