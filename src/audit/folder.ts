/** The data folder as the auditor sees it: its description is read, nothing is locked and nothing written. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CannotAudit } from './cannot-audit.js';
import { contract } from './contract.js';

export interface Folder {
  readonly path: string;
  readonly storeId: string;
  readonly shards: number;
  /** False while its parts are being made for the first time, and where that was cut off. */
  readonly complete: boolean;
}

const descriptionName = 'leiniao.json';
const format = 3;

/** @throws CannotAudit where there is no such folder, or it is none of leiniao's */
export function readFolder(given: string): Folder {
  const path = resolve(given);
  if (!existsSync(path)) throw new CannotAudit(`there is no ${path}`);
  if (!statSync(path).isDirectory()) throw new CannotAudit(`${path} is not a folder`);
  const file = join(path, descriptionName);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? `it has no ${descriptionName}` : (cause as Error).message;
    throw new CannotAudit(`${path} is not a leiniao data folder: ${why}`, { cause });
  }
  return { path, ...parse(text, file) };
}

function parse(text: string, file: string): Omit<Folder, 'path'> {
  let value: { format?: unknown; storeId?: unknown; shards?: unknown; complete?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch (cause) {
    throw new CannotAudit(`${file} is not JSON`, { cause });
  }
  if (typeof value?.format === 'number' && value.format !== format) {
    throw new CannotAudit(`${file} has data format ${value.format}; this version of leiniao reads ${format}`);
  }
  const { storeId, shards, complete } = value ?? {};
  const whole =
    typeof storeId === 'string' &&
    /^[0-9a-f]{32}$/.test(storeId) &&
    Number.isInteger(shards) &&
    (shards as number) >= 1 &&
    (shards as number) <= contract.shardsMax &&
    typeof complete === 'boolean';
  if (!whole) throw new CannotAudit(`${file} is damaged: without it nobody can tell which store this is`);
  return { storeId, shards: shards as number, complete };
}

export function shardPath(folder: Folder, shard: number): string {
  return join(folder.path, `shard-${String(shard).padStart(3, '0')}`);
}

export function cataloguePath(folder: Folder): string {
  return join(folder.path, 'catalogue');
}

/** LMDB's two meta pages, which a database begins with before anything is written to it. */
const beginningBytes = 2 * 4_096;

/**
 * Whether a part of the folder has been made: whether anything was written to its database behind its beginning.
 *
 * @throws CannotAudit where that cannot be looked at
 */
export function hasDatabase(part: string): boolean {
  try {
    return (statSync(join(part, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0) > beginningBytes;
  } catch (cause) {
    throw new CannotAudit((cause as Error).message, { cause });
  }
}
