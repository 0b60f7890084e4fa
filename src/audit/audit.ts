/**
 * The audit of a data folder: reads every journal from its first commit, keeps books of its own, and says what is wrong.
 * It shares no code with what decides; a test of the walls holds that. Runs beside an engine or without one.
 */
import { LeiniaoError } from '../errors.js';
import { CannotAudit } from './cannot-audit.js';
import { readCatalogue } from './catalogue.js';
import { compare } from './compare.js';
import { overdueMsNoted, progressCommits } from './contract.js';
import { EntryReader } from './entry-reader.js';
import { cataloguePath, type Folder, hasDatabase, readFolder, shardPath } from './folder.js';
import { ShardJournal } from './journal.js';
import { type JournalOrder, journalOrder } from './journal-order.js';
import { OrderStatus, statusNames } from './orders.js';
import type { Sku } from './sale-ledger.js';
import { ShardLedger } from './shard-ledger.js';
import { StoreBooks } from './store-books.js';
import { type Finding, Wrong } from './wrong.js';

export interface Units {
  readonly total: number;
  readonly available: number;
  readonly held: number;
  readonly confirmed: number;
}

/** What the journal of a shard says, up to its first wrong entry. */
export interface ShardReport {
  readonly shard: number;
  readonly commits: number;
  /** Of those: how many stand in the tail only, on their way to LMDB. */
  readonly tailCommits: number;
  readonly entries: number;
  /** Hash of the newest commit, in hexadecimal: who keeps it elsewhere can tell whether a journal was cut short since. */
  readonly lastHash: string;
  /** Time of the newest commit, ms since the epoch; null for none. */
  readonly lastCommitMs: number | null;
  readonly orders: Readonly<Record<(typeof statusNames)[number], number>>;
  /** Of them: confirmed after their hold had expired. */
  readonly reacquired: number;
  readonly units: Units;
  /** Whether all of the journal was read. */
  readonly whole: boolean;
}

export interface SkuReport extends Units {
  readonly shard: number;
  readonly sale: string;
  readonly sku: string;
  readonly orders: number;
  readonly limitPerBuyer: number | null;
}

export interface AuditReport {
  readonly dataDir: string;
  readonly storeId: string;
  readonly verdict: 'sound' | 'wrong';
  readonly shards: readonly ShardReport[];
  /** By shard and stock row. */
  readonly skus: readonly SkuReport[];
  /** The first of each journal, by shard; then what the catalogue contradicts. */
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
  /** The order that was looked for; null where no journal has it, absent where none was. */
  readonly order?: JournalOrder | null;
  readonly spentMs: number;
}

/** Where an order is: its number in a shard. */
export interface OrderPlace {
  readonly shard: number;
  readonly number: number;
}

/** Told now and then how far it is; `commits` may be passed by a little, when the tail is read. */
export type ProgressListener = (progress: {
  readonly shard: number;
  readonly shards: number;
  readonly commitsRead: number;
  readonly commits: number;
}) => void;

/**
 * Audits the data folder at `dataDir`.
 *
 * @param order one to be looked for
 * @throws CannotAudit when it is none, or is written to too fast to be read
 */
export async function audit(
  dataDir: string,
  onProgress: ProgressListener = () => {},
  order?: OrderPlace,
): Promise<AuditReport> {
  const startedMs = performance.now();
  const folder = readFolder(dataDir);
  const run = new AuditRun(folder, onProgress, order);
  for (let shard = 0; shard < folder.shards; shard++) await run.auditShard(shard);
  await run.compareWithCatalogue();
  return run.report(performance.now() - startedMs);
}

class AuditRun {
  readonly #folder: Folder;
  readonly #onProgress: ProgressListener;
  readonly #books = new StoreBooks();
  readonly #reader = new EntryReader();
  readonly #findings: Finding[] = [];
  readonly #notes: string[] = [];
  readonly #shards: ShardReport[] = [];
  /** By shard: undefined where the journal could not be read to its end. */
  readonly #skus: (ReadonlyMap<number, Sku> | undefined)[] = [];
  readonly #skuReports: SkuReport[] = [];
  readonly #place: OrderPlace | undefined;
  #order: JournalOrder | null = null;

  constructor(folder: Folder, onProgress: ProgressListener, place: OrderPlace | undefined) {
    this.#folder = folder;
    this.#place = place;
    this.#onProgress = onProgress;
    if (!folder.complete)
      this.#notes.push('the folder is being made, or that was cut off: parts may be missing');
  }

  async auditShard(shard: number): Promise<void> {
    const path = shardPath(this.#folder, shard);
    const present = hasDatabase(path);
    const ledger = new ShardLedger(shard, this.#folder.shards, this.#books);
    let journal: ShardJournal;
    try {
      journal = await ShardJournal.open(this.#folder, shard);
    } catch (error) {
      this.#cannotRead(error, present, { shard });
      return;
    }
    let finding: Finding | undefined;
    try {
      this.#read(journal, ledger);
    } catch (error) {
      finding = journal.findingOf(error);
      this.#findings.push(finding);
    } finally {
      await journal.close();
    }
    const whole = finding === undefined;
    this.#notes.push(...journal.notes.map((note) => `shard ${shard}: ${note}`));
    this.#notes.push(...overdueNotes(journal, ledger));
    this.#shards.push(shardReport(journal, ledger, whole));
    this.#skus[shard] = whole ? ledger.skus : undefined;
    if (this.#place?.shard === shard) {
      this.#order = journalOrder(ledger, this.#books, this.#place.number) ?? null;
    }
    for (const sku of ledger.skus.values()) this.#skuReports.push(skuReport(shard, sku));
  }

  /**
   * Takes in that a database cannot be read. In a folder that is being made, or never was finished, one that was not there
   * is no damage.
   */
  #cannotRead(error: unknown, present: boolean, where: { readonly shard?: number }): void {
    const finding = findingOfDatabase(error, where);
    if (this.#folder.complete || present) this.#findings.push(finding);
    else this.#notes.push(finding.text);
  }

  #read(journal: ShardJournal, ledger: ShardLedger): void {
    const reader = this.#reader;
    const { shard, commitCount: commits } = journal;
    const { shards } = this.#folder;
    for (const commit of journal.commits()) {
      const { timeMs, number } = commit;
      journal.readEntries(commit, reader, (entry) => ledger.apply(entry, reader, timeMs));
      if (number % progressCommits === 0) this.#onProgress({ shard, shards, commitsRead: number, commits });
    }
    this.#onProgress({ shard, shards, commitsRead: journal.chain.number, commits });
  }

  async compareWithCatalogue(): Promise<void> {
    const present = hasDatabase(cataloguePath(this.#folder));
    try {
      const catalogue = await readCatalogue(this.#folder);
      this.#checkUnfinished(catalogue.length > 0);
      const { findings, notes } = compare(catalogue, this.#folder.shards, this.#skus);
      this.#findings.push(...findings);
      this.#notes.push(...notes);
    } catch (error) {
      this.#checkUnfinished(false);
      this.#cannotRead(error, present, {});
    }
  }

  /** A folder is finished before its first sale. */
  #checkUnfinished(hasSales: boolean): void {
    const used = hasSales || this.#shards.some(({ commits }) => commits > 0);
    // It may have been finished while it was read.
    if (this.#folder.complete || !used || readFolder(this.#folder.path).complete) return;
    this.#findings.push({ text: 'the folder has sales, and says that it was never finished' });
  }

  report(spentMs: number): AuditReport {
    return {
      dataDir: this.#folder.path,
      storeId: this.#folder.storeId,
      verdict: this.#findings.length === 0 ? 'sound' : 'wrong',
      shards: this.#shards,
      skus: this.#skuReports,
      findings: this.#findings,
      notes: this.#notes,
      ...(this.#place === undefined ? {} : { order: this.#order }),
      spentMs: Math.round(spentMs),
    };
  }
}

/** What a database that cannot be opened, or a record in it, means. */
function findingOfDatabase(error: unknown, where: { readonly shard?: number }): Finding {
  if (error instanceof Wrong) return { ...where, text: error.message };
  // The file system's refusal says nothing of what it would not show.
  if ((error as NodeJS.ErrnoException).syscall !== undefined) {
    throw new CannotAudit((error as Error).message, { cause: error });
  }
  if (!(error instanceof LeiniaoError)) throw error;
  if (error.code !== 'data_dir_damaged') throw new CannotAudit(error.message, { cause: error });
  return { ...where, text: error.message };
}

/** Holds that a running engine would have ended long ago, by the time of the shard's newest commit. */
function overdueNotes({ shard, chain }: ShardJournal, { orders, skus }: ShardLedger): string[] {
  let overdue = 0;
  for (let number = 0; number < orders.count; number++) {
    if (orders.statuses[number] !== OrderStatus.held) continue;
    const holdMs = (skus.get(orders.rows[number]!)?.sale.holdSeconds ?? 0) * 1_000;
    if (orders.createdAtMs[number]! + holdMs + overdueMsNoted < chain.timeMs) overdue += 1;
  }
  if (overdue === 0) return [];
  return [`shard ${shard}: ${overdue} orders are held though their deadline passed over a minute ago`];
}

function shardReport(
  { shard, chain, tailCommits }: ShardJournal,
  ledger: ShardLedger,
  whole: boolean,
): ShardReport {
  const { orders, skus } = ledger;
  const byStatus = new Array<number>(statusNames.length).fill(0);
  let reacquired = 0;
  for (let number = 0; number < orders.count; number++) {
    byStatus[orders.statuses[number]!]! += 1;
    reacquired += orders.reacquired[number]!;
  }
  const units = { total: 0, available: 0, held: 0, confirmed: 0 };
  for (const sku of skus.values()) {
    units.total += sku.total;
    units.available += sku.available;
    units.held += sku.held;
    units.confirmed += sku.confirmed;
  }
  const [held, confirmed, cancelled, expired] = byStatus as [number, number, number, number];
  return {
    shard,
    commits: chain.number,
    tailCommits,
    entries: chain.entries,
    lastHash: chain.hash,
    lastCommitMs: chain.number === 0 ? null : chain.timeMs,
    orders: { held, confirmed, cancelled, expired },
    reacquired,
    units,
    whole,
  };
}

function skuReport(shard: number, sku: Sku): SkuReport {
  const { total, available, held, confirmed } = sku;
  return {
    shard,
    sale: sku.sale.id,
    sku: sku.id,
    orders: sku.sequence,
    limitPerBuyer: sku.limitPerBuyer === 0 ? null : sku.limitPerBuyer,
    ...{ total, available, held, confirmed },
  };
}
