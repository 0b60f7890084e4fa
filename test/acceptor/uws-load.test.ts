/**
 * Loading uWebSockets.js: which file is chosen, what is cached and how it is guarded, and that what was loaded
 * serves. Hosts other than this machine are played by objects. Nothing here relies on a file mode keeping this
 * process out, which modes do not do for root: unwritable folders are below a regular file, which stops anyone.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cacheFolders } from '../../dist/acceptor/uws/cache.js';
import { relinkForOlderGlibc, requiredGlibcVersions } from '../../dist/acceptor/uws/elf.js';
import { describeUws, type Host, loadUws, openAddon, thisHost } from '../../dist/acceptor/uws/load.js';
import { LeiniaoError } from '../../dist/errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leiniao-load-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function dlopenRefusal(version: string): Error {
  return new Error(`/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_${version}' not found (required by …)`);
}

/** A Linux x64 machine with glibc 2.36 whose loader does what glibc's does, but maps nothing. */
function debian12(changes: Partial<Host> = {}): Host & { readonly opened: string[] } {
  const opened: string[] = [];
  return {
    platform: 'linux',
    arch: 'x64',
    nodeVersion: '20.20.2',
    abi: '115',
    packageFolder: thisHost().packageFolder,
    cacheFolders: [join(folder, 'cache')],
    glibc: () => '2.36',
    open: (path) => {
      opened.push(path);
      if (requiredGlibcVersions(readFileSync(path)).at(-1) === '2.38') throw dlopenRefusal('2.38');
    },
    opened,
    ...changes,
  };
}

function officialFile(): string {
  return join(thisHost().packageFolder ?? '', 'uws_linux_x64_115.node');
}

function refusalOf(host: Host): LeiniaoError {
  try {
    openAddon(host);
  } catch (error) {
    if (error instanceof LeiniaoError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('choosing a file', () => {
  test('the official file is used, and nothing cached, where it loads', () => {
    const addon = openAddon(debian12({ open: () => {} }));
    expect(addon).toMatchObject({ origin: 'official', path: officialFile() });
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  });

  test('a relinked copy is cached and used where the official file asks for a newer glibc', () => {
    const official = readFileSync(officialFile());
    const host = debian12();
    const addon = openAddon(host);
    expect(addon.origin).toBe('relinked');
    expect(host.opened).toEqual([officialFile(), addon.path]);
    expect(readFileSync(addon.path).equals(relinkForOlderGlibc(official))).toBe(true);
    expect(readFileSync(officialFile()).equals(official)).toBe(true);
  });

  test('a second load uses the cached copy and leaves it alone', () => {
    const first = openAddon(debian12()).path;
    const { ino, mtimeMs } = lstatSync(first);
    expect(openAddon(debian12()).path).toBe(first);
    expect(lstatSync(first)).toMatchObject({ ino, mtimeMs });
  });

  test('a loader that fails for another reason is believed, and nothing is relinked', () => {
    const refusal = refusalOf(
      debian12({
        open: () => {
          throw new Error('cannot allocate memory in static TLS block');
        },
      }),
    );
    expect(refusal).toMatchObject({ code: 'uws_unavailable' });
    expect(refusal.message).toContain('static TLS block');
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  });
});

describe('where nothing can be loaded, the error names what was found and what would work', () => {
  const remedy = 'It works with Node 20, 22 or 24 on Linux with glibc 2.36 or newer';
  const refuseAll = (message: string) => () => {
    throw new Error(message);
  };

  test.each([
    ['Node 21', { nodeVersion: '21.7.3', abi: '120' }, ['linux x64', 'Node 21.7.3 (ABI 120)', 'glibc 2.36']],
    ['Node 23', { nodeVersion: '23.11.1', abi: '131' }, ['Node 23.11.1 (ABI 131)', 'uws_linux_x64_131.node']],
    ['an unsupported platform', { platform: 'sunos' }, ['sunos x64', 'uws_sunos_x64_115.node']],
    ['an unsupported processor', { arch: 'riscv64' }, ['linux riscv64', 'uws_linux_riscv64_115.node']],
    ['a missing package', { packageFolder: undefined }, ['the package is not installed']],
    [
      'musl',
      {
        glibc: () => undefined,
        open: refuseAll('Error loading shared library ld-linux-x86-64.so.2: No such file or directory'),
      },
      ['linux x64', 'no glibc (musl?)', 'ld-linux-x86-64.so.2'],
    ],
    [
      'an older glibc',
      { glibc: () => '2.31', open: refuseAll("version `GLIBC_2.38' not found") },
      ['glibc 2.31', 'it needs glibc 2.36, even relinked'],
    ],
  ] satisfies [string, Partial<Host>, string[]][])('%s', (_, changes, found) => {
    const refusal = refusalOf(debian12(changes));
    expect(refusal.code).toBe('uws_unavailable');
    for (const part of [...found, remedy]) expect(refusal.message).toContain(part);
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  });
});

describe('a cached copy', () => {
  test.each([
    ['tampered with', (bytes: Buffer) => bytes.fill((bytes[5_000_000] ?? 0) ^ 1, 5_000_000, 5_000_001)],
    ['truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ['grown', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
    ['empty', () => Buffer.alloc(0)],
  ])('that is %s is replaced, not loaded and not written to', (_, damage) => {
    const path = openAddon(debian12()).path;
    const good = readFileSync(path);
    const bad = damage(Buffer.from(good));
    rmSync(path);
    writeFileSync(path, bad, { mode: 0o600 });
    const mapped = openSync(path, 'r');
    try {
      const seen: boolean[] = [];
      const host = debian12();
      openAddon({
        ...host,
        open: (candidate) => {
          if (candidate === path) seen.push(readFileSync(path).equals(good));
          host.open(candidate);
        },
      });
      expect(seen).toEqual([true]);
      // Whoever had the old file open still sees its bytes: it was renamed over.
      const still = Buffer.alloc(fstatSync(mapped).size);
      readSync(mapped, still, 0, still.length, 0);
      expect(still.equals(bad)).toBe(true);
      expect(readdirSync(dirname(path))).toEqual([basename(path)]);
    } finally {
      closeSync(mapped);
    }
  });

  test('that others may write is replaced even if its bytes are right', () => {
    const path = openAddon(debian12()).path;
    chmodSync(path, 0o666);
    openAddon(debian12());
    expect(lstatSync(path).mode & 0o022).toBe(0);
  });

  test('that is a symbolic link is replaced by a file, and what it points to left alone', () => {
    const path = openAddon(debian12()).path;
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, readFileSync(path));
    rmSync(path);
    symlinkSync(elsewhere, path);
    openAddon(debian12());
    expect(lstatSync(path).isFile()).toBe(true);
    expect(existsSync(elsewhere)).toBe(true);
  });

  test('lies in a folder only its user can enter, in a file only its user can read', () => {
    const path = openAddon(debian12()).path;
    expect(lstatSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(lstatSync(path).mode & 0o077).toBe(0);
  });
});

describe('a cache folder is refused, and the next one used,', () => {
  function expectRefused(cache: string, reason: string): void {
    const before = existsSync(cache) ? readdirSync(cache) : [];
    const next = join(folder, 'next');
    expect(dirname(openAddon(debian12({ cacheFolders: [cache, next] })).path)).toBe(next);
    const refusal = refusalOf(debian12({ cacheFolders: [cache] }));
    expect(refusal.code).toBe('uws_unavailable');
    expect(refusal.message).toContain(reason);
    expect(existsSync(cache) ? readdirSync(cache) : []).toEqual(before);
  }

  test.each([
    ['its group', 0o770],
    ['everybody', 0o707],
  ])('if %s may write to it', (_, mode) => {
    const cache = join(folder, 'cache');
    mkdirSync(cache);
    chmodSync(cache, mode);
    expectRefused(cache, 'can be written by another user');
  });

  test('if it is a symbolic link', () => {
    const target = join(folder, 'target');
    mkdirSync(target, { mode: 0o700 });
    symlinkSync(target, join(folder, 'cache'));
    expectRefused(join(folder, 'cache'), 'is a symbolic link');
  });

  test('if it is a file', () => {
    writeFileSync(join(folder, 'cache'), '');
    const refusal = refusalOf(debian12());
    expect(refusal.message).toContain('is not a folder');
  });

  test('if it belongs to somebody else', () => {
    // Root can give a folder away; anybody else finds one that is root's.
    const isRoot = process.geteuid?.() === 0;
    const cache = isRoot ? join(folder, 'cache') : '/usr';
    if (isRoot) {
      mkdirSync(cache, { mode: 0o700 });
      chownSync(cache, 12_345, 12_345);
    }
    expectRefused(cache, 'belongs to');
  });

  test('if it cannot be made', () => {
    writeFileSync(join(folder, 'file'), '');
    const next = join(folder, 'next');
    const blocked = join(folder, 'file', 'leiniao');
    expect(dirname(openAddon(debian12({ cacheFolders: [blocked, next] })).path)).toBe(next);
    expect(refusalOf(debian12({ cacheFolders: [blocked] })).message).toContain('ENOTDIR');
  });

  test('if the loader will not map a file from it', () => {
    const next = join(folder, 'next');
    const noexec = join(folder, 'cache');
    const host = debian12({ cacheFolders: [noexec, next] });
    const open = (path: string): void => {
      if (dirname(path) === noexec) throw new Error('failed to map segment from shared object');
      host.open(path);
    };
    expect(dirname(openAddon({ ...host, open }).path)).toBe(next);
  });
});

describe('the cache folders of this user', () => {
  const user = process.geteuid?.() ?? -1;

  test('are below XDG_CACHE_HOME, then below the temporary folder by user number', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'xdg'));
    vi.stubEnv('TMPDIR', folder);
    expect(cacheFolders()).toEqual([join(folder, 'xdg', 'leiniao'), join(folder, `leiniao-${user}`)]);
  });

  test.each(['', 'relative/cache'])('are below the home if XDG_CACHE_HOME is "%s"', (configured) => {
    vi.stubEnv('XDG_CACHE_HOME', configured);
    vi.stubEnv('HOME', folder);
    expect(cacheFolders()[0]).toBe(join(folder, '.cache', 'leiniao'));
  });

  test('never are below the working folder', () => {
    vi.stubEnv('XDG_CACHE_HOME', '');
    vi.stubEnv('HOME', '');
    vi.stubEnv('TMPDIR', 'relative');
    expect(cacheFolders().filter((path) => path.startsWith(process.cwd()) || !path.startsWith('/'))).toEqual(
      [],
    );
  });

  test('fall back to the temporary folder if the home cannot be written', () => {
    writeFileSync(join(folder, 'home'), 'a file, so that not even root can make a folder below it');
    vi.stubEnv('XDG_CACHE_HOME', '');
    vi.stubEnv('HOME', join(folder, 'home'));
    vi.stubEnv('TMPDIR', folder);
    const addon = openAddon(debian12({ cacheFolders: cacheFolders() }));
    expect(dirname(addon.path)).toBe(join(folder, `leiniao-${user}`));
    expect(lstatSync(dirname(addon.path)).mode & 0o777).toBe(0o700);
  });

  test('do not bring a missing home into being', () => {
    const home = join(folder, 'nonexistent');
    const addon = openAddon(
      debian12({ cacheFolders: [join(home, '.cache', 'leiniao'), join(folder, 'next')] }),
    );
    expect(dirname(addon.path)).toBe(join(folder, 'next'));
    expect(existsSync(home)).toBe(false);
  });
});

const loaderUrl = new URL('../../dist/acceptor/uws/load.js', import.meta.url).href;

/** Starts a module in a process of its own with an empty cache; its standard input is ours to write. */
function startModule(source: string, ...args: string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  const path = join(folder, 'module.mjs');
  writeFileSync(path, source);
  return spawn(process.execPath, [path, ...args], {
    env: { ...process.env, XDG_CACHE_HOME: join(folder, 'xdg'), TMPDIR: folder },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Resolves to all that a process prints from now on; rejects if it fails. */
async function outputOf(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<string> {
  const ended = once(child, 'close');
  const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = await ended;
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${complaints}`);
  return output;
}

/** Serves one request in each thread named as an argument, one after the other, and prints the answers. */
const server = `
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { loadUws } from ${JSON.stringify(loaderUrl)};

async function serveOnce() {
  const uws = loadUws();
  const app = uws.App();
  app.post('/echo', (res, req) => {
    res.onAborted(() => {});
    const query = req.getQuery('q');
    res.onData((chunk, last) => { if (last) res.end(query + Buffer.from(chunk).toString()); });
  });
  const socket = await new Promise((resolve) => app.listen('127.0.0.1', 0, resolve));
  const url = 'http://127.0.0.1:' + uws.us_socket_local_port(socket) + '/echo?q=lei';
  const response = await fetch(url, { method: 'POST', body: 'niao', headers: { connection: 'close' } });
  const answer = response.status + ' ' + (await response.text());
  uws.us_listen_socket_close(socket);
  app.close();
  return answer;
}

async function serveInWorker() {
  const worker = new Worker(new URL(import.meta.url));
  // Before the message: it may end in the same turn.
  const exit = once(worker, 'exit');
  const [answer] = await once(worker, 'message');
  await exit;
  return answer;
}

if (isMainThread) {
  const answers = [];
  for (const thread of process.argv.slice(2)) {
    answers.push(await (thread === 'main' ? serveOnce() : serveInWorker()));
  }
  process.stdout.write(JSON.stringify(answers));
} else {
  parentPort.postMessage(await serveOnce());
}
`;

describe('on this machine', () => {
  test.each([[['main']], [['worker']], [['worker', 'main', 'worker']]])(
    'a request is served in each of these threads of one process: %j',
    async (threads) => {
      const answers = JSON.parse(await outputOf(startModule(server, ...threads))) as string[];
      expect(answers).toEqual(threads.map(() => '200 leiniao'));
    },
  );

  test('what is loaded is what the package itself exports, and the same each time', async () => {
    const uws = loadUws();
    expect(loadUws()).toBe(uws);
    const wrapper = await import('uWebSockets.js');
    expect(wrapper.App).toBe(uws.App);
    // Added by the package's wrapper, not by its binary.
    expect(uws).toHaveProperty('DeclarativeResponse');
  });

  test('the report names the file that was loaded', () => {
    const report = describeUws();
    expect(report.error).toBeUndefined();
    expect(report).toMatchObject({ platform: process.platform, abi: process.versions.modules });
    expect(['official', 'relinked']).toContain(report.origin);
    expect(existsSync(report.path ?? '')).toBe(true);
  });
});

describe.skipIf(process.platform !== 'linux')(
  'on this Linux machine, its own glibc new enough or not,',
  () => {
    const rounds = 8;
    /** Waits for a byte, then fills one empty cache per round and really loads the copy of the last. */
    const racer = `
    import { once } from 'node:events';
    import { createRequire } from 'node:module';
    import { openAddon, thisHost } from ${JSON.stringify(loaderUrl)};
    const host = thisHost();
    process.stdout.write('ready');
    await once(process.stdin, 'data');
    process.stdin.destroy();
    for (let round = 1; round <= ${rounds}; round++) {
      const open = (path) => {
        if (path.startsWith(host.packageFolder)) throw new Error("version \`GLIBC_2.38' not found");
        if (round === ${rounds}) host.open(path);
      };
      const addon = openAddon({ ...host, open, cacheFolders: [host.cacheFolders[0] + round] });
      if (round < ${rounds}) continue;
      const { App } = createRequire(import.meta.url)(addon.path);
      process.stdout.write(addon.origin + ' ' + typeof App);
    }
  `;

    test('processes that race to fill an empty cache all load the one file they leave', async () => {
      const children = [1, 2, 3].map(() => startModule(racer));
      for (const child of children) expect(String(await once(child.stdout, 'data'))).toBe('ready');
      const outputs = children.map(outputOf);
      for (const child of children) child.stdin.write('!');
      expect(await Promise.all(outputs)).toEqual(children.map(() => 'relinked function'));
      for (let round = 1; round <= rounds; round++) {
        expect(readdirSync(join(folder, 'xdg', `leiniao${round}`))).toHaveLength(1);
      }
    });
  },
);
