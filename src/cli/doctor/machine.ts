/** Whether this machine, and what is installed on it, can run the engine. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { compareVersions } from '../../acceptor/uws/elf.js';
import { describeUws, type UwsReport } from '../../acceptor/uws/load.js';
import { type Finding, mebibyte, messageOf, ok, problem, size, warning } from './finding.js';

const memoryBytesAdvised = 1024 * mebibyte;

const require = createRequire(import.meta.url);

/** The oldest Node.js that package.json allows. */
function nodeVersionMin(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { engines } = JSON.parse(manifest) as { engines: { node: string } };
  return engines.node.replace(/^[^\d]*/, '');
}

export function describeMachine(): Finding[] {
  const uws = describeUws();
  return [
    ...describePlatform(uws),
    describeUwsPackage(uws),
    describePackage('lmdb'),
    describePackage('piscina'),
    describeCores(),
    describeMemory(),
  ];
}

function describePlatform(report: UwsReport): Finding[] {
  const { platform, nodeVersion, glibc } = report;
  const supported = platform === 'linux' || platform === 'darwin';
  const where = `${platform} ${report.arch}`;
  const oldest = nodeVersionMin();
  return [
    supported
      ? ok('platform', where)
      : warning('platform', where, 'made for Linux and macOS; use one of them'),
    compareVersions(nodeVersion, oldest) >= 0
      ? ok('Node.js', nodeVersion)
      : problem('Node.js', nodeVersion, `install Node.js ${oldest} or newer`),
    // Whether these two will do is for uWebSockets.js to say: it alone depends on them.
    ok('Node ABI', report.abi),
    ok('glibc', glibc ?? (platform === 'linux' ? 'none: another C library, such as musl' : 'not used here')),
  ];
}

function describeUwsPackage(report: UwsReport): Finding {
  const name = 'uWebSockets.js';
  if (report.origin === 'unavailable') {
    return problem(name, report.error ?? 'not loaded', 'use a Node.js version and a system named above');
  }
  const how =
    report.origin === 'official'
      ? 'the official binary'
      : `relinked, as the official binary asks for glibc ${report.officialNeedsGlibc}`;
  return ok(name, `${report.version}, ${how}, ${report.path}`);
}

/** The manifest of an installed package, which its `exports` may hide. */
function versionOf(name: string): string {
  let folder = dirname(require.resolve(name));
  while (folder !== dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const found = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string; version?: string };
      if (found.name === name && found.version !== undefined) return found.version;
    }
    folder = dirname(folder);
  }
  return 'of unknown version';
}

/** Loads the package too: a missing native part shows only then. */
function describePackage(name: string): Finding {
  try {
    const version = versionOf(name);
    require(name);
    return ok(name, version);
  } catch (error) {
    return problem(name, messageOf(error), 'install leiniao again on this machine, with optional packages');
  }
}

function describeCores(): Finding {
  const cores = availableParallelism();
  return cores >= 2
    ? ok('cores', String(cores))
    : warning('cores', '1', 'acceptor and shard will share it; two or more serve far more buyers');
}

function describeMemory(): Finding {
  const constrained = process.constrainedMemory();
  const limited = constrained > 0 && constrained < totalmem();
  const total = limited ? constrained : totalmem();
  const found = limited ? `${size(total)} (limited)` : `${size(total)}, ${size(freemem())} available`;
  return total >= memoryBytesAdvised
    ? ok('memory', found)
    : warning('memory', found, `give it ${size(memoryBytesAdvised)}, or lower ordersPerShardMax`);
}
