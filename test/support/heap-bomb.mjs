/** Loaded into every thread: a shard that is asked for the orders of the buyer `bomb` allocates until V8 ends it. */
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  const { OrderCommands } = await import('../../dist/shard/order-commands.js');
  const { requestLayout } = await import('../../dist/memory/layout.js');
  const { nextOfBuyer } = OrderCommands.prototype;
  const bomb = Buffer.from('bomb').readInt32LE(0);
  OrderCommands.prototype.nextOfBuyer = function (words, at) {
    // In small pieces: V8 ends a thread between two of them, and the process where one is too large.
    for (let hoard; words[at + requestLayout.text] === bomb; ) hoard = { hoard, words: [1.5, 2.5, 3.5, 4.5] };
    return nextOfBuyer.call(this, words, at);
  };
}
