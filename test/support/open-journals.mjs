/** Opens the journal in each folder given, one after the other, and prints what came of it: commits, or the refusal. */
import { Journal } from '../../dist/store/journal.js';

const [storeId, ...paths] = process.argv.slice(2);
const results = [];
for (const path of paths) {
  let commits = 0;
  try {
    const visit = () => {
      commits += 1;
    };
    const journal = await Journal.open({ path, storeId, shard: 0, visit });
    await journal.close();
    results.push({ commits });
  } catch (error) {
    results.push({ code: error.code, message: error.message });
  }
}
process.stdout.write(JSON.stringify(results));
