/** What the README shows is a promise: its example is run as it stands, its codes and sizes are the ones there are. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { limits } from '../dist/config.js';
import { codes } from '../dist/errors.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the README names every code with its status', () => {
  const named = new Map<string, number>();
  // A status counts for all codes after it, up to the next one.
  for (const [, status, list] of readme.matchAll(
    /\b([45]\d\d) ((?:`[a-z_]+`(?:, (?:and with fewer units )?)?)+)/g,
  )) {
    for (const [, code] of list!.matchAll(/`([a-z_]+)`/g)) named.set(code!, Number(status));
  }
  const known = Object.entries(codes).map(([code, { status }]) => [code, status] as const);
  expect([...named].sort()).toEqual(known.sort());
});

test('the README says how much a request may hold', () => {
  const number = (value: number) => value.toLocaleString('en-US');
  const { orderBodyBytesMax, saleBodyBytesMax, saleIdBytesMax, quantityMax, skusPerSaleMax } = limits;
  const text = readme.replaceAll(/\s+/g, ' ');
  expect(text).toContain(
    `order is up to ${orderBodyBytesMax / 1024} KiB, that of a sale ${saleBodyBytesMax / 2 ** 20} MiB`,
  );
  expect(text).toContain(`ids, buyers and keys are up to ${saleIdBytesMax} bytes`);
  expect(text).toContain(
    `an order up to ${number(quantityMax)} units, a sale up to ${number(skusPerSaleMax)} SKUs`,
  );
});

test('the embedding example of the README runs as it stands', () => {
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
