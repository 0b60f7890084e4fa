/**
 * The data folder: what is in it, whether it can be used, and the lock that keeps a second engine out. Used by the
 * thread that starts the engine.
 *
 *   leiniao.json    format, store id, number of shards, and whether every part has been made
 *   catalogue/      sale definitions (LMDB)
 *   shard-000/ …    one journal per shard: LMDB, and the tail, which has what is on its way there
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { diskError, syncDir, writeDurably } from './durable-file.js';
import { databaseFile, requireDatabase } from './lmdb.js';
import { pageBytes } from './lmdb-layout.js';
import { requireTail } from './tail.js';

const dataFormat = 3;
const metaName = 'leiniao.json';
/** What a start that was cut off, or the lock, may leave in a folder that is otherwise empty. */
const ours = /^(lost\+found|lock\.sock|leiniao\.json\.new|\.probe-\d+)$/;

export interface Meta {
  readonly format: number;
  readonly storeId: string;
  readonly shards: number;
  /** False until every part has been made once: from then on a part that is missing is damage. */
  readonly complete: boolean;
}

export class DataDir {
  readonly path: string;
  readonly storeId: string;
  readonly shards: number;
  readonly #meta: Meta;
  readonly #lock: Server;

  private constructor(path: string, meta: Meta, lock: Server) {
    this.path = path;
    this.storeId = meta.storeId;
    this.shards = meta.shards;
    this.#meta = meta;
    this.#lock = lock;
  }

  /**
   * Opens a data folder, made if missing, and locks it.
   *
   * @param options.shards how many shards are asked for; an existing folder keeps its own number
   * @param options.shardsDefault how many a new folder gets when none are asked for
   * @throws LeiniaoError `data_dir_unwritable`, `data_dir_full`, `data_dir_locked`, `data_dir_version`,
   *   `data_dir_damaged`, or `invalid_options` when the number of shards differs; the folder is left as it was
   */
  static async open(options: {
    path: string;
    shards: number | undefined;
    shardsDefault: number;
  }): Promise<DataDir> {
    const path = resolve(options.path);
    makeDir(path);
    const lock = await acquireLock(path);
    try {
      const existing = readMeta(path);
      probe(path, existing?.shards ?? options.shards ?? options.shardsDefault);
      if (existing === undefined) {
        const meta: Meta = {
          format: dataFormat,
          storeId: randomBytes(16).toString('hex'),
          shards: options.shards ?? options.shardsDefault,
          complete: false,
        };
        writeMeta(path, meta);
        return new DataDir(path, meta, lock);
      }
      if (options.shards !== undefined && options.shards !== existing.shards) {
        throw new LeiniaoError(
          'invalid_options',
          `${path} was made with another number of shards (${existing.shards}), and cannot be opened with ${options.shards}`,
          { issues: [{ path: '/shards', message: `must be ${existing.shards}, as the data folder has` }] },
        );
      }
      const dataDir = new DataDir(path, existing, lock);
      if (existing.complete) dataDir.#checkParts();
      else dataDir.#removeBegun();
      return dataDir;
    } catch (error) {
      await release(lock);
      throw error;
    }
  }

  /** Refuses a folder that has lost a part: to make it anew would be to sell its stock again. */
  #checkParts(): void {
    requireDatabase(this.cataloguePath);
    for (let shard = 0; shard < this.shards; shard++) {
      requireDatabase(this.shardPath(shard));
      requireTail(this.shardPath(shard));
    }
  }

  /**
   * Takes away the databases that nothing was committed to yet, of a folder that was never finished: LMDB does not have the
   * disk take their first two pages, so that a power cut may leave anything in them.
   */
  #removeBegun(): void {
    const parts = Array.from({ length: this.shards }, (_, shard) => this.shardPath(shard));
    for (const part of [this.cataloguePath, ...parts]) {
      const file = join(part, databaseFile);
      try {
        const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? Number.POSITIVE_INFINITY;
        if (bytes <= 2 * pageBytes) rmSync(file);
      } catch (cause) {
        throw diskError(file, cause);
      }
    }
  }

  /** Notes that every part has been made. Called once all of them are open. */
  markComplete(): void {
    if (this.#meta.complete) return;
    try {
      for (let shard = 0; shard < this.shards; shard++) syncDir(this.shardPath(shard));
      syncDir(this.cataloguePath);
    } catch (cause) {
      throw diskError(this.path, cause);
    }
    writeMeta(this.path, { ...this.#meta, complete: true });
  }

  /** The folder of a shard's store. */
  shardPath(shard: number): string {
    return join(this.path, `shard-${String(shard).padStart(3, '0')}`);
  }

  get cataloguePath(): string {
    return join(this.path, 'catalogue');
  }

  /** Lets the next engine in. */
  async close(): Promise<void> {
    await release(this.#lock);
  }
}

function makeDir(path: string): void {
  try {
    makeFolders(path);
  } catch (cause) {
    throw diskError(path, cause);
  }
  if (!statSync(path).isDirectory()) {
    throw new LeiniaoError('data_dir_unwritable', `${path} is not a folder`);
  }
}

/** One at a time: Node's own recursive mode never returns where a file system, such as /proc, takes no folders. */
function makeFolders(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const parent = dirname(path);
  makeFolders(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else has made it just now.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
  syncDir(parent);
}

/**
 * What an existing folder says of itself; undefined for one that is empty but for what a start leaves behind.
 *
 * @throws LeiniaoError `data_dir_damaged`, `data_dir_version`, `data_dir_unwritable`
 */
export function readMeta(path: string): Meta | undefined {
  let text: string;
  try {
    text = readFileSync(join(path, metaName), 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(path, cause);
    const strangers = namesIn(path).filter((name) => !ours.test(name));
    if (strangers.length === 0) return undefined;
    throw new LeiniaoError(
      'data_dir_damaged',
      `${path} is not empty and has no ${metaName}: it is not a leiniao data folder (it has ${strangers[0]})`,
    );
  }
  const meta = parseMeta(text);
  if (meta === undefined) {
    throw new LeiniaoError('data_dir_damaged', `${join(path, metaName)} is damaged`);
  }
  if (meta.format !== dataFormat) {
    throw new LeiniaoError(
      'data_dir_version',
      `${path} has data format ${meta.format}; this version of leiniao reads format ${dataFormat}`,
    );
  }
  return meta;
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    throw diskError(path, cause);
  }
}

function parseMeta(text: string): Meta | undefined {
  let value: Partial<Meta> | null;
  try {
    value = JSON.parse(text) as Partial<Meta> | null;
  } catch {
    return undefined;
  }
  if (typeof value?.format !== 'number') return undefined;
  // A later format may have other fields: its number alone is enough to refuse it.
  if (value.format !== dataFormat) return { format: value.format, storeId: '', shards: 0, complete: false };
  const { storeId, shards, complete } = value;
  const whole =
    typeof storeId === 'string' &&
    /^[0-9a-f]{32}$/.test(storeId) &&
    Number.isInteger(shards) &&
    shards! >= 1 &&
    shards! <= limits.shardsMax &&
    typeof complete === 'boolean';
  return whole ? { format: dataFormat, storeId, shards: shards!, complete } : undefined;
}

function writeMeta(path: string, meta: Meta): void {
  const temporary = join(path, `${metaName}.new`);
  try {
    writeDurably(temporary, Buffer.from(`${JSON.stringify(meta, undefined, 2)}\n`));
    renameSync(temporary, join(path, metaName));
    syncDir(path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw diskError(path, cause);
  }
}

function probe(path: string, shards: number): void {
  const file = join(path, `.probe-${process.pid}`);
  try {
    writeDurably(file, Buffer.alloc(limits.probeBytes + shards * limits.probeBytesPerShard));
  } catch (cause) {
    throw diskError(path, cause);
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * Locks a folder by listening on a socket named after it. The kernel gives the lock up with the process, however
 * it ends, so there is nothing stale to clean up. On Linux the name is in the abstract namespace, which leaves no
 * file; two containers with network namespaces of their own do not see each other's.
 */
async function acquireLock(path: string): Promise<Server> {
  if (process.platform === 'linux') {
    const { dev, ino } = statSync(path);
    return await listen(`\0leiniao-data-${dev}-${ino}`, path);
  }
  const socket = join(path, 'lock.sock');
  try {
    return await listen(socket, path);
  } catch (error) {
    const held = error instanceof LeiniaoError && error.code === 'data_dir_locked';
    if (!held || (await answers(socket))) throw error;
    // Nobody listens: whoever made it died without removing it.
    unlinkSync(socket);
    return await listen(socket, path);
  }
}

async function listen(name: string, path: string): Promise<Server> {
  const server = createServer((connection) => connection.destroy());
  await new Promise<void>((done, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      fail(
        cause.code === 'EADDRINUSE'
          ? new LeiniaoError('data_dir_locked', `${path} is in use by another engine`, { cause })
          : diskError(path, cause),
      );
    });
    server.listen(name, done);
  });
  server.unref();
  return server;
}

async function answers(socket: string): Promise<boolean> {
  return await new Promise((done) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      done(true);
    });
    connection.once('error', () => done(false));
  });
}

async function release(lock: Server): Promise<void> {
  await new Promise((done) => lock.close(done));
}
