/// <reference types="node" preserve="true" />
/** What `import … from 'leiniao'` gives. */
export type { RestockResult, SaleResult, SaleView, SkuView } from './acceptor/operator.js';
export type { OrderPage } from './acceptor/order-desk.js';
export type { OrderOutcome, OrderOutcomes } from './acceptor/order-outcomes.js';
export type { Durability } from './config.js';
export { Engine } from './engine/engine.js';
export {
  type Code,
  codes,
  LeiniaoError,
  type ReceiptCode,
  type ReceiptRefusal,
  type Refusal,
  type ValidationIssue,
} from './errors.js';
export type { Logger } from './log.js';
export type { EngineOptions, ListenOptions } from './options.js';
export type { AcknowledgedOrder, Receipt } from './receipt/receipt.js';
export { type ReceiptVerdict, verifyReceipt } from './receipt/verify.js';
export type { Order, OrderResult } from './sale/order.js';
export type { OrderRequest, SaleDefinition } from './sale/schema.js';
