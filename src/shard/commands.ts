/**
 * The shard's commands: reads what is asked and has it carried out. Synchronous, deterministic (time is an input), and
 * nothing here throws on an expected outcome. The shard's thread owns it.
 */
import { unreachable } from '../assert.js';
import { requestLayout } from '../memory/layout.js';
import { newReply, Opcode, type Reply } from '../memory/records.js';
import { Step } from '../sale/order-state.js';
import type { Batch } from '../store/batch.js';
import { type ForeignKeys, KeyClaims } from './key-claims.js';
import { OrderCommands, type Urgency } from './order-commands.js';
import { SaleCommands } from './sale-commands.js';
import type { ShardState } from './state.js';

export class Commands {
  readonly orders: OrderCommands;
  readonly #sales: SaleCommands;
  /** The answer to the command executed last. */
  readonly reply: Reply = newReply();

  /** @param options.batch where entries go, or undefined when nothing is journalled */
  constructor(options: {
    state: ShardState;
    batch: Batch | undefined;
    durability: number;
    foreign: readonly ForeignKeys[];
  }) {
    const { foreign, ...rest } = options;
    const claims = new KeyClaims(options.state.keys, foreign);
    const context = { ...rest, claims, reply: this.reply };
    this.orders = new OrderCommands(context);
    this.#sales = new SaleCommands(context);
  }

  /** Executes the request at word `at` and leaves the answer in `reply`. */
  execute(words: Int32Array, doubles: Float64Array, at: number, nowMs: number): Urgency {
    const opcode = words[at + requestLayout.opcode] as Opcode;
    this.reply.row = words[at + requestLayout.row]!;
    if (opcode === Opcode.place) return this.orders.place(words, at, nowMs);
    this.#executeOther(opcode, words, doubles, at, nowMs);
    return 'after commit';
  }

  /** A method of its own: so the compiler has `execute`, and the loop around it, in one piece. */
  #executeOther(
    opcode: Exclude<Opcode, typeof Opcode.place>,
    words: Int32Array,
    doubles: Float64Array,
    at: number,
    nowMs: number,
  ): void {
    switch (opcode) {
      case Opcode.confirm:
        this.orders.step(words[at + requestLayout.orderNumber]!, Step.confirm, nowMs);
        break;
      case Opcode.cancel:
        this.orders.step(words[at + requestLayout.orderNumber]!, Step.cancel, nowMs);
        break;
      case Opcode.read:
        this.orders.read(words[at + requestLayout.orderNumber]!);
        break;
      case Opcode.nextOfBuyer:
        this.orders.nextOfBuyer(words, at);
        break;
      case Opcode.restock:
        this.#sales.restock(words, at, nowMs);
        break;
      case Opcode.define:
        this.#sales.define(words, doubles, at);
        break;
      case Opcode.remove:
        this.#sales.remove(words[at + requestLayout.row]!);
        break;
      case Opcode.control:
        this.#sales.control(words, at);
        break;
      case Opcode.freeze:
        this.#sales.freeze(words[at + requestLayout.saleNumber]!, nowMs);
        break;
      case Opcode.unfreeze:
        this.#sales.unfreeze(words[at + requestLayout.saleNumber]!);
        break;
      case Opcode.prepare:
        this.#sales.prepare(nowMs);
        break;
      default:
        unreachable(opcode);
    }
  }
}
