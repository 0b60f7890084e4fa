/** What `leiniao doctor` says of one thing. Pure. */

/** `problem`: the engine cannot run. `warning`: it runs, but not as it should. */
export type Status = 'ok' | 'warning' | 'problem';

export interface Finding {
  readonly name: string;
  readonly status: Status;
  readonly found: string;
  /** What to do; on warnings and problems. */
  readonly advice?: string;
}

export function ok(name: string, found: string): Finding {
  return { name, status: 'ok', found };
}

export function warning(name: string, found: string, advice: string): Finding {
  return { name, status: 'warning', found, advice };
}

export function problem(name: string, found: string, advice: string): Finding {
  return { name, status: 'problem', found, advice };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const mebibyte = 1024 * 1024;

/** Bytes for people. */
export function size(bytes: number): string {
  return bytes < 1024 * mebibyte
    ? `${Math.floor(bytes / mebibyte)} MiB`
    : `${(bytes / (1024 * mebibyte)).toFixed(1)} GiB`;
}
