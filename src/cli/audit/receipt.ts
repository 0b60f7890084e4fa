/** Whether the journals of a data folder have the order of a receipt, as the receipt says it is. */
import type { AuditReport, OrderPlace } from '../../audit/audit.js';
import type { Receipt } from '../../receipt/receipt.js';
import { OrderIds, shardsNameable } from '../../sale/order-id.js';

export interface ReceiptReport {
  /** Whether the journal contains the order, and every fact of the receipt is the journal's. */
  readonly contained: boolean;
  /** One sentence for people. */
  readonly text: string;
}

/** Where the order of a receipt has to be, if it is in this store. */
export function placeOf({ orderId, storeId }: Receipt): OrderPlace | undefined {
  return OrderIds.ofStore(storeId, shardsNameable).parse(orderId);
}

/** Holds a receipt, whose signature holds, against an audit that looked for its order. */
export function holdAgainst(receipt: Receipt, report: AuditReport): ReceiptReport {
  const { orderId } = receipt;
  const not = (text: string): ReceiptReport => ({ contained: false, text });
  if (receipt.storeId !== report.storeId)
    return not(`order ${orderId} is of another store, ${receipt.storeId}`);
  const { order } = report;
  if (order === undefined || order === null) {
    const shard = placeOf(receipt)?.shard;
    const unread = report.shards.some((one) => one.shard === shard && !one.whole);
    return not(
      unread
        ? `order ${orderId} was not found in what could be read of the journal of shard ${shard}`
        : `order ${orderId} is in no journal`,
    );
  }
  const facts = ['sale', 'sku', 'buyer', 'quantity', 'sequence', 'createdAtMs', 'durability'] as const;
  const other = facts.find((fact) => order[fact] !== receipt[fact]);
  if (other !== undefined) {
    return not(
      `order ${orderId} has ${other} ${order[other]} in the journal, ${receipt[other]} in the receipt`,
    );
  }
  return { contained: true, text: `order ${orderId} is in the journal, ${order.status} by now` };
}
