/** A shard whose commands a test calls directly, sealed batch by batch, and one that is rebuilt from its journal. */

import { expect } from 'vitest';
import { limits } from '../../dist/config.js';
import { KeyTable } from '../../dist/memory/key-table.js';
import { StockTable } from '../../dist/memory/stock-table.js';
import { statusName } from '../../dist/sale/order-state.js';
import { Outcome } from '../../dist/sale/outcome.js';
import { Commands } from '../../dist/shard/commands.js';
import { applyCommit } from '../../dist/shard/recover.js';
import { ShardState } from '../../dist/shard/state.js';
import { Batch, commitLayout } from '../../dist/store/batch.js';
import { type ChainHead, follow, genesisHash } from '../../dist/store/chain.js';
import { hashSeed, type Request, singleRecord, writeRequest } from '../support/requests.js';
import type { Answer, ShardModel } from '../support/shard-model.js';
import { keysMax, storeId } from './model-actions.js';
import { compareReply } from './model-compare.js';

export class DirectShard {
  readonly foreign = new KeyTable(KeyTable.allocate(keysMax), keysMax);
  readonly state: ShardState;
  readonly records: Buffer[] = [];
  readonly #batch = new Batch();
  readonly #requests = Array.from({ length: limits.lookAheadLanes }, singleRecord);
  readonly #commands: Commands;
  readonly #head: ChainHead = { number: 0, hash: genesisHash(storeId, 0), nextSequence: 1, timeMs: 0 };

  constructor(model: ShardModel) {
    this.state = newState(model.ordersMax);
    this.state.open();
    this.#commands = new Commands({
      state: this.state,
      batch: this.#batch,
      durability: 0,
      foreign: [
        {
          keys: this.foreign,
          wholeSince: () => (model.foreignState === 'rebuilding' ? 0 : 1),
          isOpen: () => model.foreignState === 'open',
        },
      ],
    });
    for (const { bytes } of this.#requests) bytes.fill(0xee);
  }

  /** What the loop does at the start of a turn. */
  expire(nowMs: number): void {
    for (;;) {
      const number = this.state.holds.takeDue(nowMs);
      if (number === -1) break;
      if (statusName(this.state.orders.status(number)) === 'held') this.#commands.orders.expire(number);
    }
    this.state.publishStock();
  }

  /** A group as the loop takes it from a ring: all are there, then they are executed one by one. */
  execute(group: readonly { request: Request; answer: Answer }[], nowMs: number): void {
    for (const [lane, { request }] of group.entries()) {
      const record = this.#requests[lane]!;
      writeRequest(record, 0, request, lane, 0);
    }
    for (const [lane, { request, answer }] of group.entries()) {
      const { words, doubles } = this.#requests[lane]!;
      const { state } = this;
      const before = [this.#batch.count, state.orders.count, state.buyers.count, state.restocks.length];
      const urgency = this.#commands.execute(words, doubles, 0, nowMs);
      compareReply(this.#commands.reply, answer);
      const promised = answer.outcome === Outcome.done || answer.outcome === Outcome.replayed;
      // Whatever promises something waits for the commit; a refused order promises nothing, and left nothing.
      if (request.op === 'place') expect(urgency).toBe(promised ? 'after commit' : 'at once');
      if (request.op === 'place' && !promised) {
        expect([this.#batch.count, state.orders.count, state.buyers.count, state.restocks.length]).toEqual(
          before,
        );
      }
    }
    this.state.publishStock();
  }

  /** Seals what the step wrote. Its entries have one time, so a batch never outlives a step. */
  seal(timeMs: number): void {
    if (this.#batch.count === 0) return;
    const head = this.#head;
    const record = Buffer.from(this.#batch.seal(head.number + 1, timeMs, head.nextSequence, head.hash));
    head.number += 1;
    head.nextSequence += this.#batch.count;
    head.hash = Buffer.from(record.subarray(commitLayout.hash, commitLayout.hash + 32));
    this.records.push(record);
    this.#batch.clear();
  }
}

export function newState(ordersMax: number): ShardState {
  return new ShardState({
    ordersMax,
    keys: new KeyTable(KeyTable.allocate(keysMax), keysMax),
    stock: new StockTable(StockTable.allocate()),
    hashSeed,
  });
}

export function rebuilt(records: readonly Buffer[], ordersMax: number): ShardState {
  const state = newState(ordersMax);
  const head: ChainHead = { number: 0, hash: genesisHash(storeId, 0), nextSequence: 1, timeMs: 0 };
  for (const record of records) applyCommit(state, follow(head, record));
  state.checkCounters();
  state.open();
  return state;
}
