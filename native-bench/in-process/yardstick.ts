/** The yardstick in C++: compiled for this machine, and run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, runProgram } from '../harness/programs.js';
import { batchOrders, callers } from './workload.js';

const source = fileURLToPath(new URL('../../in-process/yardstick/decision.cpp', import.meta.url));

/** Measures so many buyers with so many threads. Resolves to orders per second. */
export type Yardstick = (threads: 1 | 2, buyers: number) => Promise<number>;

/** Compiles it into `folder`; undefined where there is no g++. */
export async function compileYardstick(folder: string): Promise<Yardstick | undefined> {
  const compiler = findProgram('g++');
  if (compiler === undefined) return undefined;
  const program = join(folder, 'decision');
  const flags = ['-std=c++17', '-O3', '-march=native', '-pthread'];
  await runProgram(compiler, [...flags, source, '-o', program]);
  return async (threads, buyers) => {
    const output = await runProgram(program, [
      String(threads),
      String(buyers),
      String(callers * batchOrders),
    ]);
    const round = JSON.parse(output) as { readonly ordersPerSecond: number; readonly accepted: number };
    if (round.accepted !== buyers) throw new Error(`${round.accepted} of ${buyers} orders were accepted`);
    return round.ordersPerSecond;
  };
}
