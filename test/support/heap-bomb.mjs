/** Loaded into every thread: a shard that is asked for the orders of the buyer `bomb` allocates until V8 ends it. */
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  const { OrderCommands } = await import('../../dist/shard/order-commands.js');
  const { requestLayout } = await import('../../dist/memory/layout.js');
  const { nextOfBuyer } = OrderCommands.prototype;
  const bomb = Buffer.from('bomb').readInt32LE(0);
  OrderCommands.prototype.nextOfBuyer = function (words, at) {
    const hoard = [];
    while (words[at + requestLayout.text] === bomb) hoard.push(new Array(1_000).fill(hoard.length));
    return nextOfBuyer.call(this, words, at);
  };
}
