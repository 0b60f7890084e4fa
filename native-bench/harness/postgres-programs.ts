/** Where PostgreSQL's programs are. Debian's are outside PATH, each version in a folder of its own. */
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export const postgresInstall = 'sudo apt-get install postgresql';

const debianRoot = '/usr/lib/postgresql';

/** Paths of both. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * From PATH, else the highest version of Debian's. Both from one folder: a server does not start on the data of another
 * version's initdb.
 */
export function findPostgres(): PostgresPrograms | undefined {
  const { PATH = '' } = process.env;
  for (const folder of [...PATH.split(delimiter), ...debianFolders()]) {
    const programs = { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
    if (Object.values(programs).every(isExecutable)) return programs;
  }
  return undefined;
}

function debianFolders(): string[] {
  try {
    // As numbers: 10 is higher than 9.6.
    const versions = readdirSync(debianRoot).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
    return versions.map((version) => join(debianRoot, version, 'bin'));
  } catch {
    // Not from Debian's packages, or not at all.
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
