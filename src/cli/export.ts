/**
 * `leiniao export`: the orders of a data folder as its journals leave them, or the journals themselves, entry by entry.
 * Streams: no more is in memory than the books of one shard.
 */
import { createWriteStream, lstatSync, renameSync, rmSync, statSync } from 'node:fs';
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
    const rows = new Rows(readFolder(dataDir), options);
    if (options.out === undefined) await write(rows, process.stdout);
    else if (isSpecial(options.out)) await write(rows, createWriteStream(options.out));
    else await writeFile(rows, options.out);
    return exitCode.ok;
  } catch (error) {
    // Whoever read us has had enough, as `head` has.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return exitCode.ok;
    if (error instanceof CannotAudit || (error as NodeJS.ErrnoException).syscall !== undefined) {
      process.stderr.write(`leiniao: could not export: ${(error as Error).message}\n`);
      return exitCode.couldNotRun;
    }
    if (!(error instanceof WrongJournal)) throw error;
    const kept = options.out === undefined ? '' : `; what was read until then is in ${partial(options.out)}`;
    process.stderr.write(
      `leiniao: the export ends where the journal is wrong: ${findingLine(error.finding)}${kept}\n`,
    );
    return exitCode.failed;
  }
}

/** Whether a path is something that is written to and not replaced: a pipe, a device, a link to anything. */
function isSpecial(out: string): boolean {
  return lstatSync(out, { throwIfNoEntry: false })?.isFile() === false;
}

function partial(out: string): string {
  return isSpecial(out) ? out : `${out}.${process.pid}.partial`;
}

/** Who may read a new file, unless an earlier one says otherwise: it has the names of buyers. */
const ownerOnly = 0o600;

/** Writes beside the file, and takes its place only once all is there: an earlier export outlives one that fails. */
async function writeFile(rows: Rows, out: string): Promise<void> {
  const mode = statSync(out, { throwIfNoEntry: false })?.mode ?? ownerOnly;
  const beside = partial(out);
  try {
    await write(rows, createWriteStream(beside, { flags: 'wx', mode, flush: true }));
  } catch (error) {
    // What a journal has before it goes wrong is worth keeping, and nothing else.
    if (!(error instanceof WrongJournal)) rmSync(beside, { force: true });
    throw error;
  }
  renameSync(beside, out);
}

/** Writes all rows there are, and then throws what ended them too early: what came before it is still worth having. */
async function write(rows: Rows, to: Writable): Promise<void> {
  const chunks = Readable.from(rows.texts(), { objectMode: false, highWaterMark: limits.exportChunkChars });
  await pipeline(chunks, to, { end: to !== process.stdout });
  if (rows.failure !== undefined) throw rows.failure;
}

/** The rows of an export as texts of some length. */
class Rows {
  readonly #folder: Folder;
  readonly #options: ExportOptions;
  /** What ended them before their end. */
  failure: unknown = undefined;

  constructor(folder: Folder, options: ExportOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  async *texts(): AsyncGenerator<string> {
    const orders = this.#options.what === 'orders';
    const format = formatter(this.#options.format, orders ? orderColumns : journalColumns);
    let text = format.head;
    try {
      for await (const rows of orders ? orderRows(this.#folder) : journalRows(this.#folder)) {
        for (const row of rows) text += format.row(row);
        if (text.length < limits.exportChunkChars) continue;
        yield text;
        text = '';
      }
    } catch (error) {
      this.failure = error;
    }
    if (text !== '') yield text;
  }
}
