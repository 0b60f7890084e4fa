/**
 * Disks that are full or read-only, as real file systems: small tmpfs mounts. Where mounting is not allowed these
 * tests fail and say so, rather than pass without having looked; LEINIAO_TEST_NO_MOUNT=1 leaves them out on purpose.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Api, type OrderJson } from '../support/api.js';
import { ServeProcess } from '../support/serve-process.js';
import { SmallDisk } from '../support/small-disk.js';
import { within } from '../support/until.js';

const { LEINIAO_TEST_NO_MOUNT: leftOut } = process.env;
const excused = process.platform !== 'linux' || leftOut === '1';
const size = ['--orders-per-shard-max', '65536'];

/** Every file of a folder with its content, and every folder. */
function contents(path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()) {
    const at = join(path, name);
    found[name] = statSync(at).isDirectory() ? 'folder' : readFileSync(at).toString('base64');
  }
  return found;
}

async function serve(dataDir: string, ...args: string[]): Promise<{ server: ServeProcess; api: Api }> {
  const server = await ServeProcess.listening('--data-dir', dataDir, ...size, ...args);
  const api = new Api(await server.url(), 32);
  onTestFinished(() => api.close());
  return { server, api };
}

/** Resolves to what a start that fails says, once it has ended. */
async function failedStart(dataDir: string): Promise<string> {
  const server = new ServeProcess('--data-dir', dataDir, ...size);
  expect(await within('the end', server.ended(), 20_000)).toBe(1);
  expect(server.stdout).toBe('');
  expect(server.log.lines.length).toBe(1);
  return server.log.lines[0]!;
}

/** A data folder with a sale and an order in it, on a disk of its own. */
async function usedDisk(): Promise<{ disk: SmallDisk; dataDir: string; order: OrderJson }> {
  const disk = new SmallDisk(4);
  const dataDir = join(disk.path, 'data');
  const { server, api } = await serve(dataDir, '--shards', '1');
  await api.put('s', { skus: [{ sku: 'a', stock: 100_000 }] });
  const { order } = await api.order('s', { sku: 'a', buyer: 'first' }, 'k');
  server.child.kill('SIGTERM');
  expect(await server.ended()).toBe(0);
  return { disk, dataDir, order };
}

describe.skipIf(excused)('a disk', () => {
  test('that is full lets no server start, and the folder stays as it was', async () => {
    const { disk, dataDir, order } = await usedDisk();
    disk.fill();
    const before = contents(dataDir);
    const line = await failedStart(dataDir);
    expect(line).toContain('data_dir_full');
    expect(line).toContain(dataDir);
    expect(contents(dataDir)).toEqual(before);
    disk.free();
    const { api } = await serve(dataDir);
    expect((await api.order('s', { sku: 'a', buyer: 'first' }, 'k')).order).toEqual(order);
  });

  test('that is read-only lets no server start, and the folder stays as it was', async () => {
    const { disk, dataDir, order } = await usedDisk();
    const before = contents(dataDir);
    disk.mountReadOnly();
    const line = await failedStart(dataDir);
    expect(line).toContain('data_dir_unwritable');
    expect(line).toContain(dataDir);
    expect(contents(dataDir)).toEqual(before);
    disk.mountWritable();
    const { api } = await serve(dataDir);
    expect((await api.order('s', { sku: 'a', buyer: 'first' }, 'k')).order).toEqual(order);
  });

  test.each([0])(
    'with %i bytes left for a new folder is called full, and gets its folder once there is room',
    async (leave) => {
      const disk = new SmallDisk(2);
      disk.fill(leave);
      const dataDir = join(disk.path, 'data');
      const server = new ServeProcess('--data-dir', dataDir, ...size, '--shards', '16');
      expect(await within('the end', server.ended(), 20_000)).toBe(1);
      expect(server.log.lines).toEqual([expect.stringContaining('data_dir_full')]);
      disk.free();
      const { api } = await serve(dataDir, '--shards', '1');
      expect((await api.put('s', { skus: [{ sku: 'a', stock: 1 }] })).status).toBe(201);
    },
  );
});
