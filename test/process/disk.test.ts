/**
 * Disks that are full or read-only, as real file systems: small tmpfs mounts. Where mounting is not allowed these
 * tests fail and say so, rather than pass without having looked; LEINIAO_TEST_NO_MOUNT=1 leaves them out on purpose.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openEnvironment } from '../../dist/store/lmdb.js';
import { TailFile } from '../../dist/store/tail.js';
import { type Answer, Api, type OrderJson } from '../support/api.js';
import { chain } from '../support/commits.js';
import { ServeProcess } from '../support/serve-process.js';
import { SmallDisk } from '../support/small-disk.js';
import { until, within } from '../support/until.js';

const { LEINIAO_TEST_NO_MOUNT: leftOut } = process.env;
const excused = process.platform !== 'linux' || leftOut === '1';
const size = ['--orders-per-shard-max', '65536'];
/** The codes of the HTTP contract that a 503 may carry. */
const unavailable = ['overloaded', 'shard_recovering', 'timeout', 'shutting_down'];

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
  test.each(['fsync', 'commit'])(
    'that fills up in a storm with durability %s loses no acknowledged order',
    async (durability) => {
      const disk = new SmallDisk(4);
      const dataDir = join(disk.path, 'data');
      const args = ['--shards', '1', '--durability', durability];
      const { server, api } = await serve(dataDir, ...args);
      expect((await api.put('s', { skus: [{ sku: 'a', stock: 100_000 }] })).status).toBe(201);
      const acknowledged = new Map<string, OrderJson>();
      const refusals: Answer[] = [];
      let asked = 0;
      const one = async () => {
        while (refusals.length < 200) {
          const key = `k-${asked++}`;
          const answer = await within(
            'an answer',
            api.order('s', { sku: 'a', buyer: `b-${key}` }, key),
            15_000,
          );
          if (answer.status === 201) acknowledged.set(key, answer.order);
          else refusals.push(answer);
        }
      };
      const storm = Promise.all(Array.from({ length: 32 }, one));
      await until('some orders', () => acknowledged.size > 200, 20_000);
      disk.fill();
      await storm;
      for (const { status, code } of refusals) {
        expect(status).toBe(503);
        expect(unavailable).toContain(code);
      }
      // The process lives, and says what it is.
      // LMDB writes to stderr too, without an end of line: what we log may come after it in the same line.
      await until('the log to say what happened', () => server.stderr.includes('a shard has failed'));
      expect(server.running).toBe(true);
      expect((await api.get('/healthz')).status).toBe(200);
      expect((await api.get('/v1/sales/s')).status).toBe(200);

      // Without a restart it goes on once there is room.
      disk.free();
      const goesOn = async () => (await api.order('s', { sku: 'a', buyer: 'later' }, 'k')).status < 300;
      await until('an order to be taken again', goesOn, 20_000);
      const [[someKey, someOrder] = []] = acknowledged;
      const replayed = await api.order('s', { sku: 'a', buyer: someOrder!.buyer }, someKey!);
      expect([replayed.status, replayed.order]).toEqual([200, someOrder]);
      await until('to be ready again', async () => (await api.get('/readyz')).status === 200);
      server.child.kill('SIGTERM');
      expect(await within('the end', server.ended(), 20_000)).toBe(0);

      const again = await serve(dataDir, ...args);
      const keys = [...acknowledged];
      const readers = Array.from({ length: 32 }, async () => {
        for (let next = keys.pop(); next !== undefined; next = keys.pop()) {
          const [key, order] = next;
          const answer = await again.api.order('s', { sku: 'a', buyer: order.buyer }, key);
          expect([answer.status, answer.order]).toEqual([200, order]);
        }
      });
      await Promise.all(readers);
      // Orders that were decided and never acknowledged may be there as well; what is there adds up.
      const line = await again.api.sku('s', 'a');
      expect(line.held).toBeGreaterThanOrEqual(acknowledged.size);
      expect(line.available + line.held).toBe(100_000);
      const next = await again.api.order('s', { sku: 'a', buyer: 'after' });
      expect([next.status, next.order.sequence]).toEqual([201, line.held + 1]);
    },
    60_000,
  );

  test('that is full leaves an operator’s changes undone, and says so', async () => {
    const disk = new SmallDisk(4);
    const dataDir = join(disk.path, 'data');
    const { server, api } = await serve(dataDir, '--shards', '1');
    await api.put('s', { skus: [{ sku: 'a', stock: 10 }] });
    const startsAt = '2090-01-01T00:00:00Z';
    await api.put('later', { startsAt, skus: [{ sku: 'a', stock: 10 }] });
    disk.fill();
    // Large, so that no room is left for it even between the pages there are.
    const skus = Array.from({ length: 1_024 }, (_, i) => ({ sku: `${i}`.padStart(64, 's'), stock: 1 }));
    const answers = [
      await within('an answer', api.put('new', { skus })),
      await within('an answer', api.put('later', { startsAt, skus })),
    ];
    // A full disk is no defect of the server, and trying again later can help.
    for (const { status, code } of answers) {
      expect(status).toBe(503);
      expect(unavailable).toContain(code);
    }
    const expectUnchanged = async (on: Api) => {
      expect((await on.get('/v1/sales/new')).code).toBe('sale_not_found');
      expect((await on.get('/v1/sales/later')).sale.skus.map(({ total }) => total)).toEqual([10]);
    };
    await expectUnchanged(api);
    server.child.kill('SIGTERM');
    expect(await within('the end', server.ended(), 20_000)).toBe(0);
    disk.free();
    const again = await serve(dataDir);
    await expectUnchanged(again.api);
    expect((await again.api.put('new', { skus })).status).toBe(201);
    expect((await again.api.put('later', { skus: [{ sku: 'b', stock: 3 }] })).status).toBe(200);
    expect((await again.api.order('later', { sku: 'b', buyer: 'u' })).status).toBe(201);
  });

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

  test('that is read-only does not make a database a damaged one, which a shard would not open again', async () => {
    const disk = new SmallDisk(4);
    const path = join(disk.path, 'shard');
    await openEnvironment(path, 'commits').close();
    disk.mountReadOnly();
    expect(() => openEnvironment(path, 'commits')).toThrow(
      expect.objectContaining({ code: 'data_dir_unwritable' }),
    );
    disk.mountWritable();
    await openEnvironment(path, 'commits').close();
  });

  test.each([0, 268 * 1024])(
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

  test.each([500, 700, 900])('with %i KiB left takes orders', async (kibibytes) => {
    const disk = new SmallDisk(4);
    disk.fill(kibibytes * 1024);
    const { api } = await serve(join(disk.path, 'data'), '--shards', '1');
    expect((await api.put('s', { skus: [{ sku: 'a', stock: 1_000 }] })).status).toBe(201);
    for (let i = 0; i < 20; i++) {
      expect((await api.order('s', { sku: 'a', buyer: `b-${i}` })).status).toBe(201);
    }
  });

  test('that fills up in the middle of a record leaves none torn in the tail', () => {
    const disk = new SmallDisk(1);
    const path = join(disk.path, 'tail');
    const records = chain(Array.from({ length: 40 }, () => 5_000));
    const tail = TailFile.create(path, 'fsync');
    let whole = 0;
    const append = () => {
      for (const record of records) {
        tail.append(record);
        whole += 1;
      }
    };
    expect(append).toThrow('ENOSPC');
    tail.close();
    const content = TailFile.read(path)!;
    expect(Buffer.concat(content.records).equals(Buffer.concat(records.slice(0, whole)))).toBe(true);
    expect([content.records.length, content.ends]).toEqual([whole, true]);
  });

  // The disk and three folders are four; a database has two.
  test.each([3, 4, 5])('with room for %i files is called full, and kills nobody', (files) => {
    const disk = new SmallDisk(4, files);
    const path = join(disk.path, 'a', 'b', 'shard');
    expect(() => openEnvironment(path, 'commits')).toThrow(
      expect.objectContaining({ code: 'data_dir_full' }),
    );
  });
});
