/** Batches of orders to be stored: by buyers with names of 16 bytes, each order with an idempotency key of 36. */
import { Batch } from '#dist/store/batch.js';
import { writeText } from '#dist/text.js';

const buyerBytes = 16;
const keyBytes = 36;
const textWords = (buyerBytes + keyBytes) / 4;

export class OrderBatch {
  readonly batch = new Batch();
  readonly orders: number;
  readonly #texts: Int32Array;
  #number = 0;

  /** @param orders of each batch */
  constructor(orders: number) {
    this.orders = orders;
    this.#texts = new Int32Array(orders * textWords);
    const bytes = Buffer.from(this.#texts.buffer);
    for (let i = 0; i < orders; i++) {
      const digits = String(i).padStart(10, '0');
      writeText(bytes, i * textWords * 4, `buyer-${digits}`);
      writeText(bytes, i * textWords * 4 + buyerBytes, `3f2a9c1e-7b44-4d1c-9a55-00${digits}`);
    }
  }

  /** Writes further orders into the batch, which is empty. */
  fill(): void {
    for (let i = 0; i < this.orders; i++) {
      const number = this.#number++;
      const at = i * textWords;
      const keyAt = at + buyerBytes / 4;
      this.batch.accepted(0, 0, 1, number, number + 1, this.#texts, at, buyerBytes, keyAt, keyBytes);
    }
  }

  /** A commit record of so many orders: what the store writes, byte for byte but for numbers and hashes. */
  record(): Buffer {
    this.fill();
    const record = Buffer.from(this.batch.seal(1, 0, 1, Buffer.alloc(32)));
    this.batch.clear();
    return record;
  }
}
