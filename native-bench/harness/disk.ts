/** Whether what is written to a folder gets to a disk: in memory a flush does nothing, and durability means nothing. */
import { statfsSync } from 'node:fs';

/** Of statfs(2) on Linux. */
const [tmpfs, ramfs] = [0x01021994, 0x858458f6];

/** False where the system does not tell. */
export function isInMemory(folder: string): boolean {
  if (process.platform !== 'linux') return false;
  const { type } = statfsSync(folder);
  return type === tmpfs || type === ramfs;
}
