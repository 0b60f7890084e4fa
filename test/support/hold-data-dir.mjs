/** Opens a data folder, says so, and keeps it until killed. A second argument says which system to take this one for. */
const [path, platform] = process.argv.slice(2);
if (platform !== undefined) Object.defineProperty(process, 'platform', { value: platform });
const { DataDir } = await import('../../dist/store/data-dir.js');

try {
  const dataDir = await DataDir.open({ path, shards: undefined, shardsDefault: 2 });
  process.stdout.write(JSON.stringify({ storeId: dataDir.storeId, shards: dataDir.shards }));
  // The lock alone keeps no process alive.
  setInterval(() => dataDir, 60_000);
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }));
}
