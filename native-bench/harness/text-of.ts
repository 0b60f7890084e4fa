/** What the system tells in files. */
import { readFileSync } from 'node:fs';

/** Without white space at its ends; undefined where there is no such file. */
export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
