/**
 * Loads uWebSockets.js in the calling thread. Its official binary is used wherever it loads; on Linux with a
 * glibc a little older than the one it was built on, a relinked copy is (see `elf.ts` for what that changes).
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { LeiniaoError } from '../../errors.js';
import { cachedFile, cacheFolders } from './cache.js';
import { compareVersions, relinkForOlderGlibc, relinkRevision, requiredGlibcVersions } from './elf.js';

export type Uws = typeof import('uWebSockets.js');

/** The package's own bytes, or a copy of them relinked for an older glibc. */
export type UwsOrigin = 'official' | 'relinked';

export interface LoadedAddon {
  readonly origin: UwsOrigin;
  readonly path: string;
  readonly officialPath: string;
}

/** What the choice of a binary depends on. Each thread has one; tests make others. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  readonly nodeVersion: string;
  readonly abi: string;
  /** Folder of the uWebSockets.js package, or undefined if it is not installed. */
  readonly packageFolder: string | undefined;
  readonly cacheFolders: readonly string[];
  /** Version of the running glibc, or undefined where the C library is another one. */
  readonly glibc: () => string | undefined;
  /** Loads a native addon by absolute path, or throws what the dynamic loader says. */
  readonly open: (path: string) => void;
}

export interface UwsReport {
  readonly platform: string;
  readonly arch: string;
  readonly nodeVersion: string;
  readonly abi: string;
  readonly glibc: string | undefined;
  readonly version: string | undefined;
  readonly officialPath: string | undefined;
  /** The newest glibc the official binary names; undefined if it is not an ELF file or is missing. */
  readonly officialNeedsGlibc: string | undefined;
  readonly origin: UwsOrigin | 'unavailable';
  /** The file that was loaded. */
  readonly path: string | undefined;
  readonly cacheFolders: readonly string[];
  readonly error: string | undefined;
}

const require = createRequire(import.meta.url);
const worksOn =
  'It works with Node 20, 22 or 24 on Linux with glibc 2.36 or newer (Debian 12, Ubuntu 24.04, ' +
  'Fedora 37, RHEL 10) and on macOS, x64 or arm64.';

function packageFolder(): string | undefined {
  try {
    return dirname(require.resolve('uWebSockets.js'));
  } catch {
    return undefined;
  }
}

/** The report lists network interfaces and peers unless told otherwise, and may ask DNS for their names. */
function runningGlibc(): string | undefined {
  const settings = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = settings.excludeNetwork;
  if (before !== undefined) settings.excludeNetwork = true;
  try {
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime;
  } finally {
    if (before !== undefined) settings.excludeNetwork = before;
  }
}

export function thisHost(): Host {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    abi: process.versions.modules,
    packageFolder: packageFolder(),
    cacheFolders: process.platform === 'linux' ? cacheFolders() : [],
    glibc: runningGlibc,
    open: (path) => void require(path),
  };
}

/** The name under which the package's own wrapper looks for its binary. */
function officialPathOf(host: Host): string | undefined {
  const name = `uws_${host.platform}_${host.arch}_${host.abi}.node`;
  return host.packageFolder === undefined ? undefined : join(host.packageFolder, name);
}

function versionOf(host: Host): string | undefined {
  try {
    const manifest = readFileSync(join(host.packageFolder ?? '', 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version?: string }).version;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unavailable(host: Host, reason: string, cause?: unknown): LeiniaoError {
  const glibc = host.platform === 'linux' ? host.glibc() : undefined;
  const found = [`${host.platform} ${host.arch}`, `Node ${host.nodeVersion} (ABI ${host.abi})`];
  if (host.platform === 'linux') found.push(glibc === undefined ? 'no glibc (musl?)' : `glibc ${glibc}`);
  const message = `uWebSockets.js cannot be loaded on ${found.join(', ')}: ${reason}. ${worksOn}`;
  return new LeiniaoError('uws_unavailable', message, { cause });
}

function openRelinked(host: Host, officialPath: string, official: Buffer, refusal: unknown): LoadedAddon {
  let relinked: Buffer;
  let needs: string | undefined;
  try {
    relinked = relinkForOlderGlibc(official);
    needs = requiredGlibcVersions(relinked).at(-1);
  } catch (error) {
    throw unavailable(host, `${messageOf(refusal)}; nor can it be relinked: ${messageOf(error)}`, error);
  }
  const glibc = host.glibc();
  if (glibc !== undefined && needs !== undefined && compareVersions(glibc, needs) < 0) {
    throw unavailable(host, `it needs glibc ${needs}, even relinked`, refusal);
  }
  const digest = createHash('sha256').update(official).digest('hex');
  const name = `${basename(officialPath, '.node')}-${digest}-r${relinkRevision}.node`;
  const failures: string[] = [];
  for (const folder of host.cacheFolders) {
    try {
      // Compared with the relink just made, byte for byte: what is loaded is never what merely lay there.
      const path = cachedFile(folder, name, relinked);
      host.open(path);
      return { origin: 'relinked', path, officialPath };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const reason = `its binary needs a newer glibc, and no relinked copy could be loaded: ${failures.join('; ')}`;
  throw unavailable(host, reason, refusal);
}

/** Opens the binary for this host. Throws `uws_unavailable`, saying what was found and what would work. */
export function openAddon(host: Host): LoadedAddon {
  const path = officialPathOf(host);
  if (path === undefined) throw unavailable(host, 'the package is not installed');
  if (!existsSync(path)) throw unavailable(host, `the package has no ${basename(path)}`);
  try {
    host.open(path);
    return { origin: 'official', path, officialPath: path };
  } catch (error) {
    const wantsNewerGlibc = host.platform === 'linux' && /GLIBC_\d/.test(messageOf(error));
    if (!wantsNewerGlibc) throw unavailable(host, messageOf(error), error);
    return openRelinked(host, path, readFileSync(path), error);
  }
}

let loaded: { readonly uws: Uws; readonly addon: LoadedAddon } | undefined;

function load(host: Host): NonNullable<typeof loaded> {
  if (loaded !== undefined) return loaded;
  const addon = openAddon(host);
  if (addon.origin === 'relinked') {
    // The package's wrapper requires its binary by this name: it finds the relinked one already there, and
    // adds to it what it adds to the official one.
    require.cache[addon.officialPath] = require.cache[require.resolve(addon.path)];
  }
  loaded = { uws: require('uWebSockets.js') as Uws, addon };
  return loaded;
}

/**
 * uWebSockets.js, loaded once per thread; works in main and in workers. Throws LeiniaoError
 * `uws_unavailable` where no binary can be loaded.
 */
export function loadUws(): Uws {
  return load(thisHost()).uws;
}

function newestGlibcOf(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : requiredGlibcVersions(readFileSync(path)).at(-1);
  } catch {
    return undefined;
  }
}

/** What was found while loading, for people. Loads uWebSockets.js if this thread has not; never throws. */
export function describeUws(): UwsReport {
  const host = thisHost();
  const officialPath = officialPathOf(host);
  let addon: LoadedAddon | undefined;
  let error: string | undefined;
  try {
    addon = load(host).addon;
  } catch (failure) {
    error = messageOf(failure);
  }
  return {
    platform: host.platform,
    arch: host.arch,
    nodeVersion: host.nodeVersion,
    abi: host.abi,
    glibc: host.glibc(),
    version: versionOf(host),
    officialPath,
    officialNeedsGlibc: newestGlibcOf(officialPath),
    origin: addon?.origin ?? 'unavailable',
    path: addon?.path,
    cacheFolders: host.cacheFolders,
    error,
  };
}
