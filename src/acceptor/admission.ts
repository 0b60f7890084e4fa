/** What an acceptor can answer without asking the owner of a SKU. Pure but for the shared memory it reads. */
import type { StockTable } from '../memory/stock-table.js';
import type { CatalogueSku } from '../sale/catalogue.js';
import { refusalIn } from '../sale/decision.js';
import { Outcome } from '../sale/outcome.js';
import { phaseAt } from '../sale/phase.js';
import type { Dispatcher } from './dispatcher.js';

export interface AdmissionContext {
  readonly stock: StockTable;
  readonly dispatcher: Dispatcher;
}

/**
 * The refusal of a new order that is plain already: the sale is not open, or nothing is left. `Outcome.done` when
 * the shard has to decide. A request with an idempotency key always goes to the shard: it may repeat an order
 * that was accepted while there still was stock.
 */
export function admit(
  sku: CatalogueSku,
  { stock, dispatcher }: AdmissionContext,
  keyed: boolean,
  nowMs: number,
): Outcome {
  if (keyed) return Outcome.done;
  const { sale } = sku;
  if (sale.frozen) return Outcome.notStarted;
  const refusal = refusalIn(phaseAt(sale, sale.state, nowMs));
  if (refusal !== undefined) return refusal;
  if (stock.available(sku.row) > 0) return Outcome.done;
  // What a shard that has gone took last may never have reached its store.
  return dispatcher.isOpen(sku.shard) ? Outcome.soldOut : Outcome.shardRecovering;
}
