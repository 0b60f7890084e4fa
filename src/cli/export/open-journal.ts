/** Journals opened for an export, which ends at the first thing that is wrong. */
import { CannotAudit } from '../../audit/cannot-audit.js';
import type { Folder } from '../../audit/folder.js';
import { ShardJournal } from '../../audit/journal.js';
import { LeiniaoError } from '../../errors.js';
import { WrongJournal } from './wrong-journal.js';

/**
 * Opens a shard's journal and yields what `read` makes of it.
 *
 * @throws WrongJournal, naming the place; CannotAudit when the database cannot be read for now
 */
export async function* fromJournal<T>(
  folder: Folder,
  shard: number,
  read: (journal: ShardJournal) => Iterable<T>,
): AsyncGenerator<T> {
  let journal: ShardJournal;
  try {
    journal = await ShardJournal.open(folder, shard);
  } catch (error) {
    if (!(error instanceof LeiniaoError)) throw error;
    if (error.code !== 'data_dir_damaged') throw new CannotAudit(error.message, { cause: error });
    throw new WrongJournal({ shard, text: error.message });
  }
  try {
    for (const item of guarded(journal, read(journal))) yield item;
  } finally {
    await journal.close();
  }
}

/** Only what reading throws is about the journal; what the consumer does is its own affair. */
function* guarded<T>(journal: ShardJournal, items: Iterable<T>): Generator<T> {
  const iterator = items[Symbol.iterator]();
  for (;;) {
    let next: IteratorResult<T>;
    try {
      next = iterator.next();
    } catch (error) {
      throw new WrongJournal(journal.findingOf(error));
    }
    if (next.done === true) return;
    yield next.value;
  }
}
