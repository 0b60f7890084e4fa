/**
 * A change to a sale that the disk refused, in a catalogue that cannot be read then: nobody knows whether it is there.
 * Until that is known the sale that would be replaced sells nothing, and nothing else is changed.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { threadEventLoop } from '../../dist/acceptor/event-loop.js';
import type { SaleRecords } from '../../dist/engine/sale-changes.js';
import { Engine } from '../../dist/index.js';
import { Opcode } from '../../dist/memory/records.js';
import { UnsettledPut } from '../../dist/store/catalogue-store.js';
import { tempDir } from '../support/temp-dir.js';
import { makeUnreadable } from '../support/unreadable-database.js';
import { until } from '../support/until.js';
import { expectRefusal, order, sku, small, start } from './embedded.js';
import { crashAndReopen, startParts } from './parts.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('a replacement of which nobody knows whether it is stored', () => {
  async function unsettled() {
    const dataDir = tempDir();
    const engine = await start({ dataDir, durability: 'fsync' });
    const startsAt = inAnHour();
    const before = { startsAt, skus: [{ sku, stock: 100 }] };
    const after = { startsAt, skus: [{ sku, stock: 50 }] };
    expect(await engine.putSale('s', before)).toMatchObject({ ok: true });
    expect(await engine.putSale('open', { skus: [{ sku, stock: 10 }] })).toMatchObject({ ok: true });
    const mend = makeUnreadable(join(dataDir, 'catalogue'));
    expectRefusal(await engine.putSale('s', after), 'overloaded');
    return { dataDir, engine, before, after, mend };
  }

  test('holds up every change, and no order of another sale', async () => {
    const { engine, after, mend } = await unsettled();
    expectRefusal(await engine.putSale('s', after), 'overloaded');
    expectRefusal(await engine.putSale('t', after), 'overloaded');
    expectRefusal(await engine.pauseSale('open'), 'overloaded');
    expectRefusal(await engine.restock('s', sku, 1), 'overloaded');
    expectRefusal(await engine.placeOrder(order('u')), 'not_started');
    expectRefusal(await engine.placeOrder(order('u', { idempotencyKey: 'k' })), 'not_started');
    expect(await engine.placeOrder(order('u', { sale: 'open' }))).toMatchObject({ ok: true });
    mend();
  });

  test('comes to its end once the disk can be read', async () => {
    const { engine, after, mend } = await unsettled();
    mend();
    await until('a change is taken', async () => (await engine.pauseSale('open')).ok);
    expect(engine.stock('s', sku)).toMatchObject({ sku: { total: 100 } });
    expect(await engine.putSale('s', after)).toMatchObject({ ok: true, created: false });
    expect(engine.stock('s', sku)).toMatchObject({ sku: { total: 50 } });
  });

  test('leaves a folder that starts', async () => {
    const { dataDir, engine, before, mend } = await unsettled();
    await engine.close();
    mend();
    const again = await start({ dataDir, durability: 'fsync' });
    expect(await again.putSale('s', before)).toMatchObject({ ok: true, created: false });
  });
});

describe('a replacement of which nobody knows for long whether it is stored', () => {
  /** A disk that says what a test has it say, and timers that go off when the test has them. */
  async function unsettled() {
    const put = vi.fn<SaleRecords['put']>(async () => undefined);
    const settle = vi.fn<SaleRecords['settle']>(async () => Promise.reject(new Error('still failing')));
    const timers: { readonly action: () => void; readonly delayMs: number }[] = [];
    const later = (action: () => void, delayMs: number) => void timers.push({ action, delayMs });
    const parts = await startParts(1, 'fsync', {
      records: { put, settle },
      eventLoop: { ...threadEventLoop, later },
    });
    const startsAt = new Date(parts.clock() + 3_600_000).toISOString();
    const replace = async (stock: number) =>
      await parts.control.putSale('s', { startsAt, skus: [{ sku: 'a', stock }] });
    expect(await replace(100)).toMatchObject({ ok: true });
    /** Has the oldest timer go off. Resolves once what it did is through. */
    const goOff = async () => {
      timers.shift()!.action();
      await parts.control.idle();
    };
    return { parts, put, settle, timers, replace, goOff, frozen: () => parts.catalogue.get('s')!.frozen };
  }

  test('keeps its sale frozen, also from what the replacement before it has left to do', async () => {
    const { parts, put, settle, timers, replace, goOff, frozen } = await unsettled();
    put.mockRejectedValueOnce(new Error('full'));
    // The shard cannot be asked to let the sale go on.
    const { dispatcher } = parts;
    const sale = dispatcher.sale.bind(dispatcher);
    vi.spyOn(dispatcher, 'sale').mockImplementation((opcode, ...rest) =>
      opcode === Opcode.unfreeze ? 'overloaded' : sale(opcode, ...rest),
    );
    const room = vi.spyOn(dispatcher, 'awaitRoom').mockReturnValueOnce(false);
    expect(await replace(60)).toMatchObject({ ok: false, code: 'overloaded' });
    expect(room).toHaveBeenCalledOnce();
    vi.restoreAllMocks();
    expect(timers).toHaveLength(1);
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    expect(await replace(50)).toMatchObject({ ok: false, code: 'overloaded' });
    expect(frozen()).toBe(true);
    await goOff();
    expect(frozen()).toBe(true);
    // It is there: what it asked for is carried out, and then nothing keeps the sale.
    settle.mockResolvedValueOnce(true);
    await goOff();
    expect(parts.line('a')).toMatchObject({ total: 50, available: 50 });
    await goOff();
    expect(timers).toHaveLength(0);
    expect(frozen()).toBe(false);
    expect(await replace(40)).toMatchObject({ ok: true });
    expect(parts.line('a')).toMatchObject({ total: 40 });
  });

  test('is looked for less and less often, and by one timer alone', async () => {
    const { put, settle, timers, replace, goOff, frozen } = await unsettled();
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    expect(await replace(50)).toMatchObject({ ok: false, code: 'overloaded' });
    const delays: number[] = [];
    for (let look = 1; look <= 9; look++) {
      // An operator who asks starts no second one.
      expect(await replace(40)).toMatchObject({ ok: false, code: 'overloaded' });
      expect(timers).toHaveLength(1);
      delays.push(timers[0]!.delayMs);
      await goOff();
      expect(settle).toHaveBeenCalledTimes(2 * look);
    }
    expect(delays.map((delayMs) => delayMs / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    // It is not there.
    settle.mockResolvedValueOnce(false);
    await goOff();
    expect(timers).toHaveLength(0);
    expect(frozen()).toBe(false);
    expect(await replace(40)).toMatchObject({ ok: true });
  });

  test('that an operator saw ended leaves the next one its own, short pause', async () => {
    const { put, settle, timers, replace, goOff } = await unsettled();
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    expect(await replace(50)).toMatchObject({ ok: false, code: 'overloaded' });
    await goOff();
    await goOff();
    settle.mockResolvedValueOnce(false);
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    expect(await replace(40)).toMatchObject({ ok: false, code: 'overloaded' });
    const delays = () => timers.map(({ delayMs }) => delayMs / 1_000);
    expect(delays()).toEqual([4, 1]);
    const looks = settle.mock.calls.length;
    await goOff();
    expect(settle).toHaveBeenCalledTimes(looks);
    expect(delays()).toEqual([1]);
    await goOff();
    expect(settle).toHaveBeenCalledTimes(looks + 1);
    expect(delays()).toEqual([2]);
  });

  test('does not keep another sale frozen', async () => {
    const { parts, put, timers, replace, goOff, frozen } = await unsettled();
    const startsAt = new Date(parts.clock() + 3_600_000).toISOString();
    const other = async (stock: number) =>
      await parts.control.putSale('t', { startsAt, skus: [{ sku: 'b', stock }] });
    expect(await other(10)).toMatchObject({ ok: true });
    put.mockRejectedValueOnce(new Error('full'));
    const { dispatcher } = parts;
    const sale = dispatcher.sale.bind(dispatcher);
    const told: Opcode[] = [];
    const send = vi.spyOn(dispatcher, 'sale').mockImplementation((opcode, ...rest) => {
      told.push(opcode);
      return opcode === Opcode.unfreeze ? 'overloaded' : sale(opcode, ...rest);
    });
    vi.spyOn(dispatcher, 'awaitRoom').mockReturnValueOnce(false);
    expect(await other(20)).toMatchObject({ ok: false, code: 'overloaded' });
    expect(timers).toHaveLength(1);
    send.mockImplementation((opcode, ...rest) => {
      told.push(opcode);
      return sale(opcode, ...rest);
    });
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    expect(await replace(50)).toMatchObject({ ok: false, code: 'overloaded' });
    told.length = 0;
    await goOff();
    expect(told).toEqual([Opcode.unfreeze]);
    expect(timers).toHaveLength(1);
    expect(frozen()).toBe(true);
  });

  test('sells nothing either after its shard was started again and has forgotten that the sale is frozen', async () => {
    const { parts, put, settle, goOff, frozen } = await unsettled();
    const startsAt = new Date(parts.clock() + 1_500).toISOString();
    const skus = [{ sku: 'a', stock: 100 }];
    expect(await parts.control.putSale('s', { startsAt, skus })).toMatchObject({ ok: true });
    put.mockRejectedValueOnce(new UnsettledPut([], 'nobody knows'));
    const outcome = await parts.control.putSale('s', { startsAt, skus: [{ sku: 'a', stock: 50 }] });
    expect(outcome).toMatchObject({ ok: false, code: 'overloaded' });
    await crashAndReopen(parts, 0);
    await parts.control.idle();
    await until('the sale would have opened', () => parts.clock() > Date.parse(startsAt));
    expect(frozen()).toBe(true);
    // With a key the shard itself has to say so.
    for (const idempotencyKey of [undefined, 'k']) {
      const key = idempotencyKey === undefined ? {} : { idempotencyKey };
      const order = await parts.desk.place({ sale: 's', sku: 'a', buyer: 'u', ...key });
      expect(order.ok || order.code).toMatch(/^(not_started|paused)$/);
    }
    settle.mockResolvedValueOnce(false);
    await goOff();
    expect(await parts.desk.place({ sale: 's', sku: 'a', buyer: 'u' })).toMatchObject({ ok: true });
  });
});

test('a catalogue that is older than the shards is refused: the next sale would get the orders of a lost one', async () => {
  const dataDir = tempDir();
  const first = await start({ dataDir, durability: 'fsync' });
  expect(await first.putSale('a', { skus: [{ sku, stock: 1 }] })).toMatchObject({ ok: true });
  await first.close();
  const catalogue = join(dataDir, 'catalogue');
  const backup = join(tempDir(), 'catalogue');
  cpSync(catalogue, backup, { recursive: true });
  const second = await start({ dataDir, durability: 'fsync' });
  expect(await second.putSale('b', { skus: [{ sku, stock: 1 }] })).toMatchObject({ ok: true });
  await second.close();
  cpSync(backup, catalogue, { recursive: true });
  await expect(Engine.start({ dataDir, durability: 'fsync', ...small })).rejects.toMatchObject({
    code: 'data_dir_damaged',
    message: expect.stringContaining('copies of different moments'),
  });
});
