/**
 * Takes each change to a sale to disk before it is carried out, and finds out what became of one of which the disk did not
 * say whether it took it. Runs on the thread that started the engine, one change at a time.
 */
import type { SaleResult } from '../acceptor/operator.js';
import { limits } from '../config.js';
import { type Refusal, refuse } from '../errors.js';
import type { SaleRecord } from '../sale/catalogue.js';
import { type CatalogueStore, UnsettledPut } from '../store/catalogue-store.js';

/** Where sale definitions are kept. */
export type SaleRecords = Pick<CatalogueStore, 'put' | 'settle'>;

/** What follows once it is known whether a change is on disk. */
export interface SaleChange {
  readonly goOn: () => Promise<SaleResult | Refusal>;
  readonly giveUp: () => Promise<void>;
}

interface UnsettledChange extends SaleChange {
  readonly saleId: string;
}

/** Does something after a while, in its turn among the changes. Is told what to say where that throws. */
export type Later = (delayMs: number, failure: string, action: () => Promise<void>) => void;

/** A disk is the operator's to mend: that takes a while. */
const retryAfterSeconds = 10;

export class SaleChanges {
  readonly #records: SaleRecords | undefined;
  readonly #onFailure: (error: unknown, what: string) => void;
  readonly #later: Later;
  /** It comes before any other change. */
  #unsettled: UnsettledChange | undefined = undefined;

  /** @param options.records undefined when nothing is stored */
  constructor(options: {
    records: SaleRecords | undefined;
    onFailure: (error: unknown, what: string) => void;
    later: Later;
  }) {
    this.#records = options.records;
    this.#onFailure = options.onFailure;
    this.#later = options.later;
  }

  /** Whether there is a change to this sale of which nobody knows whether it is on disk. */
  isUnsettled(saleId: string): boolean {
    return this.#unsettled?.saleId === saleId;
  }

  /**
   * Puts a sale on disk and goes on. A disk that is full is the operator's to mend, and nothing has changed then. Where it
   * cannot be told whether the sale is there, neither is done yet: a sale that is being replaced stays frozen, because its
   * orders could be those of a definition that is gone after the next start.
   */
  async store(record: SaleRecord, change: SaleChange): Promise<SaleResult | Refusal> {
    try {
      await this.#records?.put(record);
    } catch (error) {
      this.#onFailure(error, 'a change to a sale could not be stored');
      if (error instanceof UnsettledPut) {
        this.#unsettled = { ...change, saleId: record.id };
        this.#settleLater(this.#unsettled, limits.settleRetryMs);
        return overloaded('Whether the change is stored is not known yet; it may still take effect.');
      }
      await change.giveUp();
      return overloaded('The change could not be stored.');
    }
    return await change.goOn();
  }

  /** Ends a change whose outcome was not known, if there is one. Returns a refusal as long as that cannot be done. */
  async settle(): Promise<Refusal | undefined> {
    const change = this.#unsettled;
    if (change === undefined) return undefined;
    let stored: boolean;
    try {
      stored = await this.#records!.settle();
    } catch (error) {
      this.#onFailure(error, 'whether a change to a sale is stored is not known yet');
      return overloaded('The change before this one is not stored yet.');
    }
    this.#unsettled = undefined;
    if (!stored) {
      await change.giveUp();
      return undefined;
    }
    const result = await change.goOn();
    // Whoever asked for it has gone. It is on disk: repeating it, or the next start, finishes it.
    if (!result.ok)
      this.#onFailure(new Error(result.detail), 'a change is stored that not every shard knows');
    return undefined;
  }

  /** Less and less often, as long as it is this one: a disk that fails is not mended by looks at it. */
  #settleLater(change: UnsettledChange, delayMs: number): void {
    this.#later(delayMs, 'a change to a sale could not be ended', async () => {
      if (this.#unsettled !== change || (await this.settle()) === undefined) return;
      this.#settleLater(change, Math.min(2 * delayMs, limits.settleRetryMsMax));
    });
  }
}

function overloaded(what: string): Refusal {
  return refuse('overloaded', `${what} The log says why.`, retryAfterSeconds);
}
