/**
 * The layout of an LMDB file, as far as its structure is checked and mended here. It is that of the LMDB in npm `lmdb` 3
 * (its mdb.c: MDB_page_header, MDB_node, MDB_meta, MDB_db; its midl.c for free lists) on 64-bit little-endian machines:
 *
 *   page    +0 u64 page number   +8 u64 transaction   +18 u16 flags   +20 u16 lower, u16 upper (or u32 overflow pages)
 *           +24 u16 offsets of nodes, lower/2 of them, then free space up to upper; offsets count from +24
 *   node    +0 u32 size of the data, or 48 bits child page   +4 u16 flags   +6 u16 key size   +8 key, data
 *   meta    +24 u32 magic   +28 u32 version   +48 free database   +96 main database   +144 u64 last page
 *           +152 u64 transaction; page 0 belongs to even transactions, page 1 to odd ones
 *   database +0 u32 page size (free database only)   +4 u16 flags   +6 u16 depth   +32 u64 entries   +40 u64 root page
 *   free list +0 u64 how many words follow   +8 words: 0 for nothing, a page number, or minus a number of pages and then
 *           the first of them
 */

/** We ask for this size when a database is made, so that the second meta page is where we look for it. */
export const pageBytes = 4096;
export const metaMagic = 0xbeefc0de;
export const metaVersion = 2;
export const meta = {
  magic: 24,
  version: 28,
  freeDatabase: 48,
  mainDatabase: 96,
  lastPage: 144,
  transaction: 152,
  bytes: 160,
} as const;
export const header = {
  page: 0,
  transaction: 8,
  flags: 18,
  lower: 20,
  upper: 22,
  overflowPages: 20,
  bytes: 24,
} as const;
export const node = { flags: 4, keyBytes: 6, bytes: 8 } as const;
export const database = { pageSize: 0, flags: 4, depth: 6, entries: 32, root: 40, bytes: 48 } as const;
export const PageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const;
export const NodeFlag = { big: 0x01, database: 0x02 } as const;
export const TableFlag = { integerKeys: 0x08 } as const;
/**
 * The one table with a name that an environment has, a journal's or the catalogue's: how lmdb-js is to store its keys, and
 * what LMDB makes of that. `uint32` is an integer to LMDB; `ordered-binary` is bytes of any length.
 */
export const tables = {
  commits: { keyEncoding: 'uint32', flags: TableFlag.integerKeys, keyBytes: 4 },
  sales: { keyEncoding: 'ordered-binary', flags: 0, keyBytes: undefined },
} as const;
export type TableName = keyof typeof tables;
export const noRoot = 2n ** 64n - 1n;
/** LMDB's own limit of a tree's depth. */
export const depthMax = 32;
