/**
 * The limits that the auditor holds a journal to. Written here once more on purpose: an auditor that took them from the
 * engine would believe whatever the engine believes. They are those of the README ("Limits, honestly"); the two it does
 * not name are those that the schema of a sale refuses beyond. Pure.
 */
export const contract = {
  /** Sale and SKU ids. */
  idBytesMax: 64,
  /** Buyers and idempotency keys. */
  textBytesMax: 64,
  quantityMax: 1_000,
  stockMax: 2_000_000_000,
  limitPerBuyerMax: 1_000_000,
  holdSecondsMax: 30 * 24 * 3_600,
  /** What a sale has that says nothing of holds. */
  holdSecondsDefault: 300,
  /** SKUs in the life of a data folder: stock rows are numbered below this. */
  stockRowsMax: 65_536,
  shardsMax: 128,
} as const;

/** The furthest instant that a JavaScript date can name, in ms since the epoch (ECMA-262, "Time Values"). */
export const timeMsMax = 8.64e15;

/** How long after its deadline a hold is worth a note: a running engine ends it within a second or so. */
export const overdueMsNoted = 60_000;

/** How often a tail is read at most where it is written to meanwhile. */
export const tailReadingsMax = 10;

/** Commits between two reports of progress. */
export const progressCommits = 256;
