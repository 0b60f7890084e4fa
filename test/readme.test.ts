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
  const text = readme.replaceAll(/\s+/g, ' ');
  for (const ids of [limits.saleIdBytesMax, limits.skuIdBytesMax]) expect(text).toContain(`ids: 1–${ids} of`);
  for (const names of [limits.buyerBytesMax, limits.idempotencyKeyBytesMax]) {
    expect(text).toContain(`Buyers and idempotency keys: 1–${names} bytes`);
  }
  expect(text).toContain(`Quantity 1–${number(limits.quantityMax)}; stock up to ${number(limits.stockMax)}`);
  expect(text).toContain(`${number(limits.skusPerSaleMax)} SKUs a sale; the body of an order up to`);
  expect(text).toContain(
    `up to ${limits.orderBodyBytesMax / 1024} KiB, of a sale ${limits.saleBodyBytesMax / 2 ** 20} MiB`,
  );
  expect(text).toContain(`${number(limits.skusMax)} SKUs at a time`);
  expect(text).toContain(`${number(limits.stockRowsMax)} in the life of a data folder`);
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
