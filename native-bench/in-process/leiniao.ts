/** Starts rounds of leiniao, each in a process of its own. */
import { fileURLToPath } from 'node:url';
import type { Durability } from '#dist/config.js';
import { allowedCpus } from '../harness/cores.js';
import { runProgram } from '../harness/programs.js';
import type { LeiniaoRound } from './leiniao-round.js';

const program = fileURLToPath(new URL('leiniao-round.js', import.meta.url));

export interface LeiniaoOptions {
  readonly buyers: number;
  readonly durability: Durability;
  /** Data folder, made anew. Unused with durability `memory`. */
  readonly folder: string;
  /** Path of taskset, where all threads have to share one core. */
  readonly taskset?: string;
}

/** @throws Error where the round found something wrong */
export async function leiniaoRound(options: LeiniaoOptions): Promise<LeiniaoRound> {
  const { buyers, durability, folder, taskset } = options;
  const args = [...[program, '--buyers', String(buyers), '--durability', durability, '--folder', folder]];
  const output =
    taskset === undefined
      ? await runProgram(process.execPath, args)
      : await runProgram(taskset, ['-c', String(allowedCpus().at(-1)), process.execPath, ...args]);
  return JSON.parse(output) as LeiniaoRound;
}
