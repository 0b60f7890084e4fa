/** A thread that sends every message back. See `ring-hop.ts`. */
import { parentPort } from 'node:worker_threads';

parentPort!.on('message', (message) => parentPort!.postMessage(message));
