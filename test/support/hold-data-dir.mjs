/** Opens a data folder, says so, and keeps it until killed. A second argument says which system to take this one for. */
import { DataDir } from '../../dist/store/data-dir.js';

const [path, platform] = process.argv.slice(2);
// After the imports: native modules are looked for by platform as they load.
if (platform !== undefined) Object.defineProperty(process, 'platform', { value: platform });

try {
  const dataDir = await DataDir.open({ path, shards: undefined, shardsDefault: 2 });
  process.stdout.write(JSON.stringify({ storeId: dataDir.storeId, shards: dataDir.shards }));
  // The lock alone keeps no process alive.
  setInterval(() => dataDir, 60_000);
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }));
}
