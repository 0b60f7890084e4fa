/**
 * Opens the journal in each folder given, one after the other, and prints what came of it: commits, or the refusal. With
 * `append` every journal that opens gets one more commit and is opened again, and what is printed is still its commits
 * before that.
 */
import { Batch } from '../../dist/store/batch.js';
import { EntryType } from '../../dist/store/entry.js';
import { Journal } from '../../dist/store/journal.js';

const [storeId, mode, ...paths] = process.argv.slice(2);
const batch = new Batch();

async function open(path) {
  let commits = 0;
  const visit = () => {
    commits += 1;
  };
  const journal = await Journal.open({ path, storeId, shard: 0, visit });
  return { journal, commits };
}

async function append(path, { head, journal, commits }) {
  batch.settled(EntryType.confirmed, 1);
  journal.append(head.number + 1, [batch.seal(head.number + 1, head.timeMs, head.nextSequence, head.hash)]);
  batch.clear();
  await journal.close();
  const again = await open(path);
  await again.journal.close();
  if (again.commits !== commits + 1)
    throw new Error(`${path}: ${again.commits} commits after ${commits} and one more`);
}

const results = [];
for (const path of paths) {
  let opened;
  try {
    opened = await open(path);
  } catch (error) {
    results.push({ code: error.code, message: error.message });
    continue;
  }
  const { journal, commits } = opened;
  if (mode === 'append') await append(path, { head: journal.head, journal, commits });
  else await journal.close();
  results.push({ commits });
}
process.stdout.write(JSON.stringify(results));
