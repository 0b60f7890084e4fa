/** What both ends of the measured rings agree on. Either thread. */
import { limits } from '#dist/config.js';
import { requestLayout } from '#dist/memory/layout.js';
import { Opcode } from '#dist/memory/records.js';

export const RingCommand = {
  /** Answer every request, looking at the ring without pause. */
  answer: 1,
  /** Answer every request, parked while there is none. */
  answerParked: 2,
  /** Only take them, looking at the ring without pause. */
  take: 3,
} as const;
export type RingCommand = (typeof RingCommand)[keyof typeof RingCommand];

/** Of the request that ends a command: it is neither counted nor answered. */
export const lastOpcode = 0;
/** Requests that are taken and released together. */
export const lanes = limits.lookAheadLanes;
export const parkMsMax = limits.parkMsMax;

const buyerWords = 4;
const wordsUsed = requestLayout.text + buyerWords;

/** Writes every word that an order by a buyer of 16 bytes has: 48 bytes. Returns their sum. */
export function writeOrder(words: Int32Array, at: number, number: number): number {
  words[at + requestLayout.opcode] = Opcode.place;
  words[at + requestLayout.slot] = number & 0x1fff;
  words[at + requestLayout.generation] = number >>> 13;
  words[at + requestLayout.row] = 7;
  words[at + requestLayout.revision] = 1;
  words[at + requestLayout.quantity] = 1;
  words[at + requestLayout.lengths] = buyerWords * 4;
  words[at + requestLayout.orderNumber] = number;
  for (let i = 0; i < buyerWords; i++) words[at + requestLayout.text + i] = number + i;
  return sumOf(words, at);
}

/** The sum of every word that `writeOrder` writes, as a 32-bit number: it reads them all. */
export function sumOf(words: Int32Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < wordsUsed; i++) sum = (sum + words[at + i]!) | 0;
  return sum;
}
