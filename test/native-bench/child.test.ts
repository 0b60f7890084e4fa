/** Measurements in processes of their own: what comes back, and what is said of those that fail. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { MeasuringChild, measureInChild } from '../../native-bench/harness/child.js';
import { until } from '../support/until.js';

const module = pathToFileURL(join(import.meta.dirname, '../support/measuring-child.mjs'));

type Value = readonly [pid: number, round: number];

async function start(fails: string, pin: readonly string[] = []): Promise<MeasuringChild<Value>> {
  const child = await MeasuringChild.start<object, Value>(module, { fails }, pin);
  onTestFinished(() => child.stop());
  return child;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a child measures round by round, and is closed', async () => {
  const [first, second] = await measureInChild<object, Value, Value[]>(module, {}, async ({ measure }) => [
    await measure(1),
    await measure(2),
  ]);
  expect([first, second]).toEqual([
    [expect.any(Number), 1],
    [first![0], 2],
  ]);
  expect(runs(first![0])).toBe(false);
});

test('a command that keeps it on its cores is put before it', async () => {
  const child = await start('never', ['/usr/bin/env', 'A=1']);
  expect((await child.measure(3))[1]).toBe(3);
});

test.each([
  ['as it opens', 'no room'],
  ['by going away as it opens', 'ended with 7'],
])('one that fails %s is not started, and says why', async (fails, why) => {
  await expect(start(fails)).rejects.toThrow(why);
});

test.each([
  ['in a round', 'units were lost'],
  ['by going away in a round', 'ended with 7'],
])('one that fails %s says why', async (fails, why) => {
  const child = await start(fails);
  await expect(child.measure(1)).rejects.toThrow(why);
});

test.each([
  ['after a round', 'a thread of it failed'],
  ['by going away after a round', 'ended with 7'],
])('one that fails %s, when nobody asks, says why when it is asked again', async (fails, why) => {
  const child = await start(fails);
  const [pid] = await child.measure(1);
  await until('it to be gone', () => !runs(pid));
  await expect(child.measure(2)).rejects.toThrow(why);
  await expect(child.close()).rejects.toThrow(why);
});

test('a program that cannot be started is no measurement', async () => {
  await expect(MeasuringChild.start(module, {}, ['/nowhere/taskset'])).rejects.toThrow('ENOENT');
});
