/** The server as a process that is told to stop, or started where another one is: what it answers and how it ends. */
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Api, type OrderJson } from '../support/api.js';
import { effort } from '../support/effort.js';
import { exchange, RawConnection, requestBytes } from '../support/raw-http.js';
import { ServeProcess } from '../support/serve-process.js';
import { stallShard } from '../support/stalled-store.js';
import { tempDir } from '../support/temp-dir.js';
import { until, within } from '../support/until.js';
import { each, heard } from './crowd.js';

describe('told to stop', () => {
  const healthBytes = requestBytes({ method: 'GET', path: '/healthz' });
  const orderBytes = (buyer: string) =>
    requestBytes({
      path: '/v1/sales/s/orders',
      headers: ['Content-Type: application/json'],
      body: JSON.stringify({ sku: 'a', buyer }),
    });

  /** A server with an open sale, and what is needed to keep its orders waiting. */
  async function serve(...args: string[]) {
    const dataDir = tempDir();
    const server = await ServeProcess.listening(
      ...['--data-dir', dataDir, '--shards', '1', '--orders-per-shard-max', '4096', ...args],
    );
    const port = await server.port();
    const put = requestBytes({
      method: 'PUT',
      path: '/v1/sales/s',
      headers: ['Content-Type: application/json'],
      body: '{"skus":[{"sku":"a","stock":1000}]}',
    });
    expect((await exchange(port, put)).status).toBe(201);
    return { server, port, dataDir };
  }

  async function open(port: number, count: number): Promise<RawConnection[]> {
    const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(port)));
    onTestFinished(() => {
      for (const connection of connections) connection.destroy();
    });
    return connections;
  }

  const shuttingDown = (server: ServeProcess) =>
    until('the shutdown to begin', () => server.log.entries.some(({ msg }) => msg === 'shutting down'));

  test('by SIGTERM it answers what it has taken, takes nothing new, and ends with 0', async () => {
    const { server, port, dataDir } = await serve();
    const waiting = await open(port, 20);
    const [idle] = await open(port, 1);
    const store = await stallShard(dataDir, (buyer) => exchange(port, orderBytes(buyer)));
    await Promise.all(waiting.map((connection, i) => connection.send(orderBytes(`b-${i}`))));
    // Once a later request is answered, the server has read these.
    await exchange(port, healthBytes);
    server.child.kill('SIGTERM');
    await shuttingDown(server);
    await expect(RawConnection.open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await idle!.send(healthBytes);
    const refused = await idle!.answer();
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body).code).toBe('shutting_down');
    await idle!.closing();
    expect(server.running).toBe(true);
    await store.release();
    for (const connection of waiting) {
      const answer = await connection.answer();
      expect(answer.status).toBe(201);
      expect(answer.headers.get('connection')).toBe('close');
    }
    expect(await within('the end', server.ended())).toBe(0);
    expect(server.log.lines).toEqual([]);
  });

  test('by SIGTERM with keep-alive connections that ask nothing it ends at once', async () => {
    const { server, port } = await serve();
    const idle = await open(port, 50);
    const toldAt = performance.now();
    server.child.kill('SIGTERM');
    expect(await within('the end', server.ended())).toBe(0);
    expect(performance.now() - toldAt).toBeLessThan(5_000);
    await Promise.all(idle.map((connection) => connection.closing()));
  });

  test('by SIGTERM in a storm it ends with 0, and every order it acknowledged is there', async () => {
    const { server, port, dataDir } = await serve();
    const api = new Api(`http://127.0.0.1:${port}`, 50);
    onTestFinished(() => api.close());
    const acknowledged: OrderJson[] = [];
    let asked = 0;
    const one = async () => {
      for (;;) {
        const answer = await heard(server, api.order('s', { sku: 'a', buyer: `b-${asked++}` }));
        if (answer === undefined) return 'gone';
        if (answer.status === 201) acknowledged.push(answer.order);
        else if (answer.code !== 'sold_out') return answer.code;
      }
    };
    const clients = Promise.all(Array.from({ length: 50 }, one));
    await Promise.race([until('some orders', () => acknowledged.length > 300), clients]);
    server.child.kill('SIGTERM');
    expect(await within('the end', server.ended())).toBe(0);
    for (const end of await clients) expect(['gone', 'shutting_down']).toContain(end);
    const again = await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
    const reader = new Api(await again.url());
    onTestFinished(() => reader.close());
    await each(acknowledged, async (order) => {
      expect((await reader.get(`/v1/orders/${order.orderId}`)).body).toEqual(order);
    });
  });

  test('by a second signal it ends at once, whatever waits', async () => {
    const { server, port, dataDir } = await serve('--reply-deadline-ms', '60000');
    const [waiting] = await open(port, 1);
    await stallShard(dataDir, (buyer) => exchange(port, orderBytes(buyer)));
    await waiting!.send(orderBytes('b'));
    await exchange(port, healthBytes);
    server.child.kill('SIGTERM');
    await shuttingDown(server);
    // The same signal within a tenth of a second is taken for the same request, so it is sent until it works.
    await until('the end', () => {
      if (server.running) server.child.kill('SIGTERM');
      return !server.running;
    });
    expect(await server.ended()).toBe('SIGTERM');
    await waiting!.closing();
  });
});

describe('it does not start, and says why in one line,', () => {
  async function failure(...args: string[]): Promise<string> {
    const server = new ServeProcess('--orders-per-shard-max', '4096', ...args);
    expect(await within('the end', server.ended())).toBe(1);
    expect(server.stdout).toBe('');
    expect(server.log.lines.length).toBe(1);
    return server.log.lines[0]!;
  }

  test('on a port that is in use', async () => {
    const first = await ServeProcess.listening('--durability', 'memory', '--orders-per-shard-max', '4096');
    const port = String(await first.port());
    const line = await failure('--durability', 'memory', '--port', port);
    expect(line).toContain(port);
    expect(line).toContain('port_in_use');
    expect((await exchange(Number(port), requestBytes({ method: 'GET', path: '/healthz' }))).status).toBe(
      200,
    );
  });

  test('in a data folder that is in use, which is served on', async () => {
    const dataDir = tempDir();
    const first = await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
    const line = await failure('--data-dir', dataDir);
    expect(line).toContain(dataDir);
    expect(line).toContain('data_dir_locked');
    const port = await first.port();
    expect((await exchange(port, requestBytes({ method: 'GET', path: '/readyz' }))).status).toBe(200);
    await first.kill();
    // The kernel gives the lock up with the process that had it.
    await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
  });

  test('on a journal cut short, each time: nothing else keeps the process alive until it has said so', async () => {
    const dataDir = tempDir();
    const first = await ServeProcess.listening('--data-dir', dataDir, '--orders-per-shard-max', '4096');
    await first.kill();
    truncateSync(join(dataDir, 'shard-000', 'data.mdb'), 4_096);
    for (let again = 0; again < effort(3, 10); again++) {
      expect(await failure('--data-dir', dataDir)).toContain('data_dir_damaged');
    }
  });
});
