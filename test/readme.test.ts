/** The README's example is a promise: it is run as it stands. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the embedding example of the README runs as it stands', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1];
  expect(example).toBeDefined();
  const folder = mkdtempSync(join(tmpdir(), 'leiniao-readme-'));
  try {
    const program = example!.replace("'./my-sale'", JSON.stringify(join(folder, 'sale')));
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
      timeout: 30_000,
    });
    const lines = output.trim().split('\n');
    expect(lines[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(lines[1]).toBe('sold_out');
    expect(output).toContain('confirmed: 1');
    expect(lines.at(-1)).toBe('200');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
