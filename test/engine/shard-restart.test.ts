/**
 * Shards that fail while others go on: what waits is answered, the successor knows every acknowledged order, and what
 * cannot be recovered stays closed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import timers from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Opcode, type Reply } from '../../dist/memory/records.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { until, within } from '../support/until.js';
import { crashAndReopen, inFlightMax, openSale, startParts } from './parts.js';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a shard that ends with an uncaught error', () => {
  test.each(['fsync', 'commit'] as const)(
    'comes back with every acknowledged order, key and limit (%s)',
    async (durability) => {
      const parts = await startParts(2, durability);
      await openSale(parts);
      const shard = parts.owner('a');
      const buyers = Array.from({ length: 300 }, (_, i) => `u-${i}`);
      const place = (buyer: string, key = 'k') =>
        parts.desk.place({ sale: 's', sku: 'a', buyer, idempotencyKey: key });
      const first = await Promise.all(buyers.slice(0, 200).map((buyer) => place(buyer)));
      const ids = first.map((outcome) => outcome.ok && outcome.order.orderId);
      expect(new Set(ids).size).toBe(200);
      await crashAndReopen(parts, shard);
      expect(parts.failures).toEqual([
        { shard, message: 'assertion failed: there is no case for 99', retryMs: 50 },
      ]);
      expect(parts.line('a')).toMatchObject({ total: 1_000, available: 800, held: 200, confirmed: 0 });
      // The same keys give the same orders, another key meets the limit, and sequences go on.
      const again = await Promise.all(buyers.slice(0, 200).map((buyer) => place(buyer)));
      expect(again.map((outcome) => outcome.ok && outcome.replayed && outcome.order.orderId)).toEqual(ids);
      expect(await place('u-0', 'other')).toMatchObject({ ok: false, code: 'limit_reached' });
      const next = await place('u-200');
      expect(next).toMatchObject({ ok: true, order: { sequence: 201 } });
    },
  );

  test('may have all others with it: each comes back, and none is a warning', async () => {
    const warnings: string[] = [];
    const heard = ({ name }: Error) => warnings.push(name);
    process.on('warning', heard);
    onTestFinished(() => {
      process.off('warning', heard);
    });
    // More than the listeners that Node.js takes for a leak, and pauses so long that all of them wait at once.
    const parts = await startParts(12);
    const { setTimeout } = timers;
    const pauses = vi.spyOn(timers, 'setTimeout').mockImplementation((ms, ...rest) => {
      return setTimeout(Math.max(ms ?? 0, 1_000), ...rest);
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      pauses.mockRestore();
      syncBuiltinESMExports();
    });
    await Promise.all(Array.from({ length: 12 }, (_, shard) => parts.crash(shard)));
    await until('all to be back', () => parts.reopened() === 12, 20_000);
    expect(parts.failures).toHaveLength(12);
    expect(warnings).toEqual([]);
  });

  test('takes nobody else with it: the other shard serves all the while', async () => {
    const parts = await startParts(2);
    await openSale(parts);
    const shard = parts.owner('a');
    let served = 0;
    let stop = false;
    const serving = (async () => {
      while (!stop) {
        const outcome = await parts.desk.place({ sale: 's', sku: 'b', buyer: `u-${served}` });
        expect(outcome).toMatchObject({ ok: true, order: { sequence: served + 1 } });
        served += 1;
      }
    })();
    await until('orders for the other shard', () => served > 5);
    for (let i = 0; i < 3; i++) {
      const before = served;
      await crashAndReopen(parts, shard);
      await until('further orders for the other shard', () => served > before);
    }
    stop = true;
    await serving;
    expect(parts.failures.map(({ retryMs }) => retryMs)).toEqual([50, 100, 200]);
    expect(parts.line('b')).toMatchObject({ held: served });
  });

  test('leaves nobody waiting: what it had and had not begun is answered, and decided once or not at all', async () => {
    const parts = await startParts(1);
    await openSale(parts);
    const place = (i: number) =>
      parts.desk.place({ sale: 's', sku: 'b', buyer: `u-${i}`, idempotencyKey: `k-${i}` });
    const before = Array.from({ length: 100 }, (_, i) => place(i));
    const crashed = parts.crash(0);
    const after = Array.from({ length: 100 }, (_, i) => place(100 + i));
    expect(await crashed).toBe(Outcome.shardRecovering);
    const outcomes = await Promise.all([...before, ...after]);
    for (const outcome of outcomes) expect(outcome.ok || outcome.code === 'shard_recovering').toBe(true);
    await until('the shard to be open again', () => parts.reopened() === 1);
    const retried = await Promise.all(outcomes.map((_, i) => place(i)));
    for (const [i, outcome] of retried.entries()) {
      expect(outcome.ok).toBe(true);
      const told = outcomes[i]!;
      if (outcome.ok && told.ok) expect(outcome.order.orderId).toBe(told.order.orderId);
    }
    expect(parts.line('b')).toMatchObject({ total: 1_000, available: 800, held: 200 });
    // Every slot is free again, once the shard has been told of its sales.
    await parts.control.idle();
    const wide = await Promise.all(
      Array.from({ length: inFlightMax + 1 }, (_, i) =>
        parts.desk.place({ sale: 's', sku: 'b', buyer: `w-${i}` }),
      ),
    );
    expect(wide.filter(({ ok }) => ok).length).toBe(inFlightMax);
  });

  test('answers shard_recovering until then, also where its counter says that nothing is left', async () => {
    const parts = await startParts(1);
    const skus = [
      { sku: 'none', stock: 0 },
      { sku: 'some', stock: 1 },
    ];
    expect((await parts.control.putSale('s', { skus })).ok).toBe(true);
    expect(await parts.desk.place({ sale: 's', sku: 'none', buyer: 'u' })).toMatchObject({
      code: 'sold_out',
    });
    await parts.crash(0);
    expect(parts.pool.closedBecause).toEqual(['shard 0: assertion failed: there is no case for 99']);
    for (const { sku } of skus) {
      const outcome = await parts.desk.place({ sale: 's', sku, buyer: 'u' });
      expect(outcome).toMatchObject({ code: 'shard_recovering' });
    }
    await until('the shard to be open again', () => parts.reopened() === 1);
    expect(parts.pool.closedBecause).toEqual([]);
    expect(await parts.desk.place({ sale: 's', sku: 'none', buyer: 'u' })).toMatchObject({
      code: 'sold_out',
    });
    expect(await parts.desk.place({ sale: 's', sku: 'some', buyer: 'u' })).toMatchObject({ ok: true });
  });

  test('learns what its sales became while it was gone', async () => {
    const parts = await startParts(2);
    await openSale(parts);
    const shard = parts.owner('a');
    await parts.crash(shard);
    // Half carried out: the shard that is gone cannot be told.
    expect(await parts.control.pauseSale('s')).toMatchObject({ ok: false, code: 'shard_recovering' });
    const early = { sale: 's', sku: 'b', buyer: 'v', idempotencyKey: 'early' };
    expect(await parts.desk.place(early)).toMatchObject({ ok: false, code: 'paused' });
    await until('the shard to be open again', () => parts.reopened() === 1);
    await parts.control.idle();
    // Keyed, so that the shard itself has to answer.
    const place = (sku: string) =>
      parts.desk.place({ sale: 's', sku, buyer: 'u', idempotencyKey: `k-${sku}` });
    expect(await place('a')).toMatchObject({ ok: false, code: 'paused' });
    expect(await place('b')).toMatchObject({ ok: false, code: 'paused' });
  });
});

test('a shard that opens before it hears of an end takes no order that comes after the end', async () => {
  const parts = await startParts(2);
  await openSale(parts);
  const shard = parts.owner('a');
  await parts.crash(shard);
  expect(await parts.control.endSale('s')).toMatchObject({ ok: false, code: 'shard_recovering' });
  expect(parts.control.sale('s')).toMatchObject({ phase: 'ended' });
  // As soon as it is open: what the shard is told, it is told in a line of its own.
  const codes = new Set<string>();
  for (let i = 0, since = 0; since < 100; i++) {
    if (parts.reopened() > 0) since += 1;
    const outcome = await parts.desk.place({ sale: 's', sku: 'a', buyer: `u-${i}`, idempotencyKey: 'k' });
    codes.add(outcome.ok ? 'accepted' : outcome.code);
    const restock = await parts.control.restock('s', 'a', 1, `k-${i}`);
    codes.add(restock.ok ? 'restocked' : restock.code);
    // A refusal at once gives nobody else a turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([...codes].sort()).toEqual(['ended', 'shard_recovering']);
});

describe('a change to a sale that a shard could not be told of', () => {
  const definition = { skus: ['c', 'd'].map((sku) => ({ sku, stock: 10 })) };

  test('harms nobody, whatever is asked next, and is finished by it', async () => {
    const parts = await startParts(2);
    await openSale(parts);
    await parts.crash(parts.owner('a'));
    expect(await parts.control.putSale('t', definition)).toMatchObject({ code: 'shard_recovering' });
    expect(await parts.control.pauseSale('t')).toMatchObject({ code: 'shard_recovering' });
    await until('the shard to be open again', () => parts.reopened() === 1);
    expect(await parts.control.pauseSale('t')).toMatchObject({ ok: true, sale: { phase: 'paused' } });
    expect(await parts.control.resumeSale('t')).toMatchObject({ ok: true, sale: { phase: 'open' } });
    for (const { sku } of definition.skus) {
      expect(await parts.desk.place({ sale: 't', sku, buyer: 'u' })).toMatchObject({ ok: true });
    }
    expect(parts.failures.length).toBe(1);
  });

  test('is no reason for a shard to fail where it is told the rest without the beginning', async () => {
    const parts = await startParts(1);
    await openSale(parts);
    const { skus, ...sale } = parts.catalogue.get('s')!;
    const unknown = { ...sale, skus, number: 77 };
    for (const opcode of [Opcode.control, Opcode.freeze, Opcode.unfreeze] as const) {
      const outcome = await new Promise<Outcome>((done) => {
        const sink = { settle: (_: number, reply: Reply) => done(reply.outcome) };
        parts.dispatcher.sale(opcode, unknown, 0, unknown.state, sink, 0);
      });
      expect(outcome).toBe(opcode === Opcode.control ? Outcome.staleDefinition : Outcome.done);
    }
    expect(await parts.desk.place({ sale: 's', sku: 'b', buyer: 'u' })).toMatchObject({ ok: true });
    expect(parts.failures).toEqual([]);
  });
});

test('a sale whose replacement came to nothing opens, also where a shard could not be told so at first', async () => {
  const parts = await startParts(2);
  const startsAt = new Date(Date.now() + 1_000).toISOString();
  const later = (stock: number) => ({ startsAt, skus: ['a', 'b'].map((sku) => ({ sku, stock })) });
  expect((await parts.control.putSale('s', later(10))).ok).toBe(true);
  const send = parts.dispatcher.sale.bind(parts.dispatcher);
  let refusals = 0;
  vi.spyOn(parts.dispatcher, 'awaitRoom').mockReturnValue(false);
  vi.spyOn(parts.dispatcher, 'sale').mockImplementation((opcode, sale, shard, ...rest) => {
    // The owner of "a" is too busy to be frozen; that of "b" is frozen, and then too busy to be told that it is over.
    const refused =
      opcode === Opcode.unfreeze ? refusals < 6 : opcode === Opcode.freeze && shard === parts.owner('a');
    if (refused) refusals += 1;
    return refused ? 'overloaded' : send(opcode, sale, shard, ...rest);
  });
  expect(await parts.control.putSale('s', later(20))).toMatchObject({ ok: false, code: 'overloaded' });
  for (const sku of ['a', 'b']) {
    // With a key: without one the acceptor itself answers before the sale has opened.
    const place = () => parts.desk.place({ sale: 's', sku, buyer: 'u', idempotencyKey: `k-${sku}` });
    let outcome = await place();
    for (; !outcome.ok && outcome.code === 'not_started'; outcome = await place()) {
      if (Date.now() > Date.parse(startsAt) + 5_000) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(outcome).toMatchObject({ ok: true });
  }
  expect(refusals).toBe(6);
});

describe('a shard that cannot be recovered', () => {
  test('stays closed and says why, while the others serve', async () => {
    const parts = await startParts(2);
    await openSale(parts);
    const shard = parts.owner('a');
    const batch = (from: number) =>
      Array.from({ length: 100 }, (_, i) => ({ sale: 's', sku: 'a', buyer: `u-${from + i}` }));
    for (let from = 0; from < 800; from += 100)
      expect((await parts.desk.placeMany(batch(from))).accepted).toBe(100);
    const data = join(parts.pathOf(shard), 'data.mdb');
    await until('the orders to be in LMDB', () => readFileSync(data).includes('u-799'));
    scribble(parts.pathOf(shard));
    await parts.crash(shard);
    await until('the second failure', () => parts.failures.length === 2);
    expect(parts.failures[1]).toMatchObject({ shard, retryMs: undefined });
    expect(parts.pool.closedBecause).toEqual([`shard ${shard}: ${parts.failures[1]!.message}`]);
    expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'v' })).toMatchObject({
      code: 'shard_recovering',
    });
    expect(await parts.desk.place({ sale: 's', sku: 'b', buyer: 'v' })).toMatchObject({ ok: true });
  });

  test('is one whose store has gone: a new one would sell its stock again', async () => {
    for (const durability of ['fsync', 'commit'] as const) {
      const parts = await startParts(2, durability);
      await openSale(parts);
      const shard = parts.owner('a');
      expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'u' })).toMatchObject({ ok: true });
      renameSync(parts.pathOf(shard), `${parts.pathOf(shard)}-gone`);
      await parts.crash(shard);
      await until('the second failure', () => parts.failures.length === 2);
      expect(parts.failures[1]).toMatchObject({ shard, retryMs: undefined });
      expect(parts.failures[1]!.message).toContain('missing');
      expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'v' })).toMatchObject({
        code: 'shard_recovering',
      });
    }
  });

  test('is one with durability memory: started again it would sell its stock twice', async () => {
    const parts = await startParts(2, 'memory');
    await openSale(parts);
    const shard = parts.owner('a');
    await parts.crash(shard);
    expect(parts.failures).toEqual([
      { shard, message: 'assertion failed: there is no case for 99', retryMs: undefined },
    ]);
    expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'v' })).toMatchObject({
      code: 'shard_recovering',
    });
    expect(await parts.desk.place({ sale: 's', sku: 'b', buyer: 'v' })).toMatchObject({ ok: true });
  });
});

/** Overwrites the names of buyers wherever they stand in a store. */
function scribble(folder: string): void {
  expect(readdirSync(folder)).toContain('data.mdb');
  const file = join(folder, 'data.mdb');
  const descriptor = openSync(file, 'r+');
  // The pages after the two that LMDB starts from.
  for (let at = 8_192 + 2_000; at < statSync(file).size; at += 4_096) {
    writeSync(descriptor, Buffer.from('scribble'), 0, 8, at);
  }
  closeSync(descriptor);
}

// What a destroyed lock looks like is glibc's affair.
test.runIf(process.platform === 'linux')(
  'a shard whose store had no locks when it was opened is open again once they can be made anew',
  async () => {
    const parts = await startParts(1);
    await openSale(parts);
    expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'u' })).toMatchObject({ ok: true });
    // As long as somebody has it open, locks are taken as they are.
    const script = join(import.meta.dirname, '../support/hold-environment.mjs');
    const holder = spawn(process.execPath, [script, parts.pathOf(0)], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void holder.kill('SIGKILL'));
    await within('somebody else has it open', once(holder.stdout, 'data'));
    const before = parts.reopened();
    // While its first user sells on: a lock that is destroyed is noticed by who opens next.
    expect(destroyLocks(parts.pathOf(0))).toBe(3);
    const crashed = parts.crash(0);
    expect(await crashed).toBe(Outcome.shardRecovering);
    await until('it cannot be opened', () => parts.failures.length >= 3);
    for (const { message } of parts.failures.slice(1)) expect(message).toContain('no reader can begin');
    expect(parts.reopened()).toBe(before);
    holder.stdin.end();
    await until('the shard to be open again', () => parts.reopened() > before);
    expect(parts.line('a')).toMatchObject({ total: 1_000, held: 1 });
  },
);

/** Does to the locks of an environment what `pthread_mutex_destroy` does to them. Returns how many there were. */
function destroyLocks(path: string): number {
  // The kind of a robust mutex that processes share, and of one that was destroyed (glibc).
  const robustShared = 0x90;
  const file = join(path, 'lock.mdb');
  const words = new Int32Array(new Uint8Array(readFileSync(file)).buffer, 0, 128);
  const kinds = [...words.keys()].filter((at) => words[at] === robustShared);
  const descriptor = openSync(file, 'r+');
  for (const at of kinds) writeSync(descriptor, Buffer.alloc(4, 0xff), 0, 4, at * 4);
  closeSync(descriptor);
  return kinds.length;
}
