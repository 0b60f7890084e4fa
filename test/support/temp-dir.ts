/** Folders of a test's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder; whoever asks removes it. */
export function makeTempDir(): string {
  return mkdtempSync(join(tmpdir(), 'leiniao-test-'));
}

export function removeTempDir(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** A new folder that goes when the running test ends. */
export function tempDir(): string {
  const path = makeTempDir();
  onTestFinished(() => removeTempDir(path));
  return path;
}
