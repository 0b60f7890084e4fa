/** Every journal entry of a data folder, shard by shard. The hash chain is checked; what the entries mean is not. */
import { durabilityNames, type Entry } from '../../audit/entry.js';
import { EntryReader } from '../../audit/entry-reader.js';
import type { Folder } from '../../audit/folder.js';
import type { ShardJournal } from '../../audit/journal.js';
import { type Row, timeValue } from './format.js';
import { fromJournal } from './open-journal.js';

const stateNames = ['running', 'paused', 'ended'] as const;

export const journalColumns = [
  ...['shard', 'commit', 'entry', 'time', 'type', 'row', 'orderNumber', 'sequence', 'quantity', 'buyer'],
  ...['idempotencyKey', 'durability', 'bornConfirmed', 'revision', 'saleNumber', 'sale', 'sku', 'stock'],
  ...['limitPerBuyer', 'holdSeconds', 'startsAt', 'endsAt', 'state', 'spread'],
] as const;

/** Rows, a commit's at a time. Throws `WrongJournal` where one cannot be read. */
export async function* journalRows(folder: Folder): AsyncGenerator<readonly Row[]> {
  for (let shard = 0; shard < folder.shards; shard++) yield* fromJournal(folder, shard, rowsOf);
}

function* rowsOf(journal: ShardJournal): Generator<readonly Row[]> {
  const reader = new EntryReader();
  for (const commit of journal.commits()) {
    const time = timeValue(commit.timeMs);
    const { shard } = journal;
    const rows: Row[] = [];
    journal.readEntries(commit, reader, (entry) => {
      const place = { shard, commit: commit.number, entry: rows.length + 1, time };
      rows.push({ ...place, type: entry.type, ...fieldsOf(entry, reader) });
    });
    yield rows;
  }
}

function fieldsOf(entry: Entry, reader: EntryReader): Row {
  switch (entry.type) {
    case 'accepted': {
      const { row, orderNumber, sequence, quantity, bornConfirmed, durability } = entry;
      return {
        ...{ row, orderNumber, sequence, quantity, buyer: reader.textOf(entry.buyer) },
        idempotencyKey: entry.key.bytes === 0 ? null : reader.textOf(entry.key),
        durability: durabilityNames[durability] ?? durability,
        bornConfirmed,
      };
    }
    case 'restocked': {
      const { row, quantity, key } = entry;
      return { row, quantity, idempotencyKey: key.bytes === 0 ? null : reader.textOf(key) };
    }
    case 'defined': {
      const { row, revision, saleNumber, stock, limitPerBuyer, holdSeconds, spread } = entry;
      return {
        ...{ row, revision, saleNumber, sale: reader.textOf(entry.sale), sku: reader.textOf(entry.sku) },
        ...{ stock, limitPerBuyer: limitPerBuyer === 0 ? null : limitPerBuyer, holdSeconds },
        ...{ startsAt: timeValue(entry.startsAtMs), endsAt: timeValue(entry.endsAtMs) },
        ...{ state: stateNames[entry.state], spread },
      };
    }
    case 'removed':
      return { row: entry.row };
    case 'controlled':
      return { saleNumber: entry.saleNumber, state: stateNames[entry.state] };
    default:
      return { orderNumber: entry.orderNumber };
  }
}
