/**
 * `leiniao export`: the orders of a data folder as its journals leave them, or the journals themselves, entry by entry.
 * Streams: no more is in memory than the books of one shard.
 */
import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CannotAudit } from '../audit/cannot-audit.js';
import { type Folder, readFolder } from '../audit/folder.js';
import { findingLine } from '../audit/wrong.js';
import { limits } from '../config.js';
import { exitCode } from './exit-code.js';
import { formatter } from './export/format.js';
import { journalColumns, journalRows } from './export/journal-rows.js';
import { orderColumns, orderRows } from './export/order-rows.js';
import { WrongJournal } from './export/wrong-journal.js';

export interface ExportOptions {
  readonly format: 'ndjson' | 'csv';
  readonly what: 'orders' | 'journal';
  /** Undefined for standard output. */
  readonly out: string | undefined;
}

/** Exports from a data folder. Returns 0, 1 where a journal is wrong from some entry on, 3 if there is nothing to export. */
export async function exportFrom(dataDir: string, options: ExportOptions): Promise<number> {
  try {
    // Before the file of an earlier export is overwritten.
    const folder = readFolder(dataDir);
    const chunks = Readable.from(textsOf(folder, options), {
      objectMode: false,
      highWaterMark: limits.exportChunkChars,
    });
    await pipeline(chunks, target(options.out), { end: options.out !== undefined });
    return exitCode.ok;
  } catch (error) {
    // Whoever read us has had enough, as `head` has.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return exitCode.ok;
    if (error instanceof CannotAudit || (error as NodeJS.ErrnoException).syscall !== undefined) {
      process.stderr.write(`leiniao: could not export: ${(error as Error).message}\n`);
      return exitCode.couldNotRun;
    }
    if (!(error instanceof WrongJournal)) throw error;
    process.stderr.write(
      `leiniao: the export ends where the journal is wrong: ${findingLine(error.finding)}\n`,
    );
    return exitCode.failed;
  }
}

function target(out: string | undefined): Writable {
  return out === undefined ? process.stdout : createWriteStream(out);
}

async function* textsOf(folder: Folder, options: ExportOptions): AsyncGenerator<string> {
  const orders = options.what === 'orders';
  const format = formatter(options.format, orders ? orderColumns : journalColumns);
  let text = format.head;
  let failure: unknown;
  try {
    for await (const rows of orders ? orderRows(folder) : journalRows(folder)) {
      for (const row of rows) text += format.row(row);
      if (text.length < limits.exportChunkChars) continue;
      yield text;
      text = '';
    }
  } catch (error) {
    failure = error;
  }
  // What came before a failure is still worth having.
  if (text !== '') yield text;
  if (failure !== undefined) throw failure;
}
