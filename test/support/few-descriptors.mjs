/**
 * Opens the environment in the folder given while the process may open 0, 1, 2 … more files, then with all of them again,
 * and prints what came of each: `opened`, or the refusal's code. To be run with a low limit on open files.
 */
import { closeSync, openSync } from 'node:fs';
import { openEnvironment } from '../../dist/store/lmdb.js';

const path = process.argv[2];
const leftMax = 12;

async function outcome() {
  try {
    await openEnvironment(path, 'commits').close();
    return 'opened';
  } catch (error) {
    return error.code ?? String(error);
  }
}

const held = [];
const results = [];
// Whatever is loaded on the way of the first one needs no descriptors later.
await outcome();
try {
  for (;;) held.push(openSync('/dev/null'));
} catch {
  // That was the last one.
}
for (let left = 0; left <= leftMax; left++) {
  results.push(await outcome());
  closeSync(held.pop());
}
for (const descriptor of held) closeSync(descriptor);
results.push(await outcome());
process.stdout.write(JSON.stringify(results));
